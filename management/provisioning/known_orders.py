"""The orders of one management cluster, and the statuses of their clusters, as read last.

Values of variables are encrypted at rest. A change announces one order, so only that one is read
and decrypted again. All are read at the start, after a failure, and when changes may have been
missed. So are statuses: that of a cluster which stays unreachable is announced once, perhaps before
this replica began to follow its order.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from store.interfaces import Store
from store.order_records import Order

MOST_AT_ONCE = 500
"""Orders that are read by their ids. If more have changed, all are read."""


@dataclass(slots=True)
class KnownOrders:
    """The orders in the management cluster ``cluster_id``, by their ids."""

    store: Store
    cluster_id: str
    by_id: dict[str, Order] = field(default_factory=dict)
    _changed: set[str] = field(default_factory=set)
    _all_changed: bool = True
    _with_status: set[str] = field(default_factory=set)

    def changed(self, order_id: str | None = None) -> None:
        """Read an order again before it is used; None: all orders."""
        if order_id is None:
            self._all_changed = True
        elif len(self._changed) < MOST_AT_ONCE:
            self._changed.add(order_id)
        else:
            self._all_changed = True

    def is_outdated(self, order_id: str) -> bool:
        """Return whether an order has changed since it was read."""
        return self._all_changed or order_id in self._changed

    async def read(self) -> bool:
        """Read what has changed. Return whether that was anything. Raises StoreError."""
        changed, self._changed = self._changed, set()
        if not (changed or self._all_changed):
            return False
        wanted = None if self._all_changed else changed
        self._all_changed = False
        try:
            found = await self.store.orders.of_management(self.cluster_id, only=wanted)
        except BaseException:
            self._all_changed = True
            raise
        if wanted is None:
            self._with_status.clear()
        kept = {} if wanted is None else self.by_id
        for gone in changed:
            kept.pop(gone, None)
        self.by_id = kept | {one.id: one for one in found}
        self._with_status &= self.by_id.keys()
        return True

    def status_changed(self, order_id: str) -> None:
        """Read the status of an order's cluster again."""
        self._with_status.discard(order_id)

    async def statuses(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the statuses of imported clusters that have changed, by id. Raises StoreError."""
        imported = {
            one.id
            for one in self.by_id.values()
            if one.imported_at is not None and not one.is_ending
        }
        wanted = sorted(imported - self._with_status)
        if not wanted:
            return {}
        self._with_status.update(wanted)
        try:
            found = await self.store.fleet.statuses(wanted)
        except BaseException:
            self._with_status.difference_update(wanted)
            raise
        return {order_id: one.data for order_id, one in found.items()}
