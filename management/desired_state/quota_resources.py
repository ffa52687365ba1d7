"""Check the resource names and amounts of quotas and limits. Pure.

The rules are those of k8s.io/kubernetes/pkg/apis/core/helper and validation. The API server rejects
the same values, but later, in each namespace, where no user sees it.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from management.kubernetes.quantity import parse_quantity

_COMPUTE = ("cpu", "memory", "ephemeral-storage")
_COUNTED = frozenset(
    {
        "configmaps",
        "persistentvolumeclaims",
        "pods",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "services",
        "services.loadbalancers",
        "services.nodeports",
    }
)
_MEASURED = frozenset(
    {*_COMPUTE, "requests.storage", *(f"requests.{one}" for one in _COMPUTE)}
    | {f"limits.{one}" for one in _COMPUTE}
)
_CPU = frozenset({"cpu", "requests.cpu", "limits.cpu"})

_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
_DOMAIN = rf"{_LABEL}(?:\.{_LABEL}){{0,20}}"
_NAME = r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
_HUGE_PAGES = re.compile(r"hugepages-[1-9][0-9]{0,9}[KMGT]i")
_CLASS = re.compile(_DOMAIN)
_EXTENDED = re.compile(rf"{_DOMAIN}/{_NAME}")
_COUNT_OF = re.compile(rf"count/{_DOMAIN}")
_OF_CLASS = (
    ".storageclass.storage.k8s.io/requests.storage",
    ".storageclass.storage.k8s.io/persistentvolumeclaims",
    ".deviceclass.resource.k8s.io/devices",
)

MAX_QUANTITY = Decimal(2**63 - 1)
"""The largest quantity that Kubernetes stores exactly."""

MILLI = Decimal("0.001")


def unit_of(resource: str) -> Decimal:
    """Return the smallest amount of a resource: thousandths of CPUs, else 1."""
    return MILLI if resource in _CPU else Decimal(1)


def check_quota(quota: Mapping[str, str]) -> None:
    """Raise ValueError for an invalid ``hard`` of a quota; the message names the resource."""
    for resource, text in quota.items():
        if not _is_quota_resource(resource):
            raise ValueError(
                f"{resource}: a quota counts no such resource; it counts {', '.join(_known())}, "
                "count/<resource>.<group>, requests.<domain>/<name> and hugepages-<size>"
            )
        _check_amount(resource, text)
    _check_pairs(
        quota,
        ((f"requests.{one}", f"limits.{one}") for one in _COMPUTE),
    )
    _check_pairs(quota, ((one, f"limits.{one}") for one in _COMPUTE))


def check_container(amounts: Mapping[str, str]) -> None:
    """Raise ValueError for an invalid resource of a container; the message names the resource."""
    for resource, text in amounts.items():
        if not _is_container_resource(resource):
            raise ValueError(
                f"{resource}: a container has no such resource; it has {', '.join(_COMPUTE)}, "
                "hugepages-<size> and <domain>/<name>"
            )
        _check_amount(resource, text)


def check_request(request: Mapping[str, str], limit: Mapping[str, str]) -> None:
    """Raise ValueError if a container's request exceeds its limit, or wrongly differs from it."""
    for resource, wanted in request.items():
        most = limit.get(resource)
        if most is None:
            continue
        asked, given = parse_quantity(wanted), parse_quantity(most)
        if asked > given:
            raise ValueError(f"{resource}: {wanted} is above the limit, {most}")
        if asked != given and resource not in _COMPUTE:
            raise ValueError(f"{resource}: the request must be the limit, {most}")


def _known() -> list[str]:
    return sorted(_COUNTED | _MEASURED)


def _is_quota_resource(name: str) -> bool:
    if "/" not in name:
        plain = name.removeprefix("requests.")
        return name in _COUNTED or name in _MEASURED or bool(_HUGE_PAGES.fullmatch(plain))
    if name.startswith("requests.") and _EXTENDED.fullmatch(name.removeprefix("requests.")):
        return True
    if any(name.endswith(one) and _is_name(name.removesuffix(one)) for one in _OF_CLASS):
        return True
    return bool(_COUNT_OF.fullmatch(name))


def _is_name(text: str) -> bool:
    return bool(_CLASS.fullmatch(text))


def _is_container_resource(name: str) -> bool:
    if "/" in name:
        return bool(_EXTENDED.fullmatch(name)) and not name.startswith("requests.")
    return name in _COMPUTE or bool(_HUGE_PAGES.fullmatch(name))


def _check_amount(resource: str, text: str) -> None:
    value, unit = parse_quantity(text), unit_of(resource)
    if value > MAX_QUANTITY:
        raise ValueError(f"{resource}: {text} is more than Kubernetes can count")
    if value % unit:
        raise ValueError(
            f"{resource}: {text} must be a whole number"
            if unit == 1
            else f"{resource}: {text} is finer than 1m"
        )


def _check_pairs(quota: Mapping[str, str], pairs: Iterator[tuple[str, str]]) -> None:
    for request, limit in pairs:
        asked, most = quota.get(request), quota.get(limit)
        if asked and most and parse_quantity(asked) > parse_quantity(most):
            raise ValueError(f"{request}: {asked} is above {limit}, {most}")
