"""The limits of the settings for orders, and the error of an order that exceeds one. Pure.

The store counts them, in the transaction that stores the order (:mod:`store.order_limits`).
"""

from config.provisioning_settings import ProvisioningLimits
from store.errors import QuotaExceeded
from store.order_records import OrderLimits

_REMEDIES = {
    "clusters_per_user": "remove one that you do not need, or ask an administrator for more",
    "workers_per_cluster": "order fewer workers, or ask an administrator for more",
    "workers": "order fewer workers, or ask an administrator for more",
    "class": "choose another class, or ask an administrator for more",
}


def limits_of(settings: ProvisioningLimits) -> OrderLimits:
    """Return the limits that apply where a management cluster has none of its own."""
    return OrderLimits(
        clusters_per_user=settings.clusters_per_user,
        workers_per_cluster=settings.workers_per_cluster,
        workers=settings.workers,
    )


DEFAULT_LIMITS = limits_of(ProvisioningLimits())


def explained(exceeded: QuotaExceeded) -> str:
    """Return the limit that is exceeded, and what to do about it."""
    return f"{exceeded}: {_REMEDIES[exceeded.limit]}"
