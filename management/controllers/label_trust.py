"""Whether project labels of namespaces can be trusted: the admission policy is in force.

See :mod:`management.desired_state.label_policy`.
"""

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from config.namespace_settings import NamespaceSettings
from management.desired_state.diff import Key, is_up_to_date
from management.desired_state.label_policy import label_policy
from management.kubernetes.manifests import Manifest
from management.kubernetes.validation import moment

POLICY_PROPAGATION_SECONDS = 10.0
"""Seconds after which every API server of a cluster enforces an admission policy."""


class LabelTrust:
    """The admission policy of one cluster, and since when it is in force."""

    def __init__(
        self,
        settings: NamespaceSettings | None = None,
        *,
        propagation_seconds: float = POLICY_PROPAGATION_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._policy = label_policy(settings)
        self._propagation_seconds = propagation_seconds
        self._clock = clock
        self._distrusted_until = 0.0

    def desired_policy(self, *, supported: bool) -> list[Manifest]:
        """Return the objects of the policy; none if the cluster does not support the API."""
        return self._policy if supported else []

    def pending_seconds(self, observed: Mapping[Key, Manifest]) -> float:
        """Return for how many seconds labels can't be trusted yet; 0.0: they can be trusted.

        A policy that is new or was repaired takes a while until every API server enforces it.
        """
        current = [observed.get((one["kind"], "", one["metadata"]["name"])) for one in self._policy]
        now = self._clock()
        if not all(
            found is not None and is_up_to_date(one, found)
            for one, found in zip(self._policy, current, strict=True)
        ):
            until = now + self._propagation_seconds
        else:
            youngest = min(_age(found) for found in current if found is not None)
            until = max(self._distrusted_until, now + self._propagation_seconds - youngest)
        self._distrusted_until = until
        return max(0.0, until - now)


def _age(manifest: Manifest) -> float:
    """Return the age of an object in seconds, by the cluster's clock and this machine's."""
    created = moment(manifest["metadata"].get("creationTimestamp"))
    return (datetime.now(UTC) - created).total_seconds() if created is not None else 0.0
