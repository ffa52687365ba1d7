"""Clusters on order, in memory: the gate names their state in place of a bare 404."""

from dataclasses import dataclass

from store.interfaces import Store
from store.order_records import OrderSummary


@dataclass(frozen=True, slots=True)
class OrderedCluster:
    """What the gate knows of an order. ``message`` is for the orderer only."""

    id: str
    name: str
    owner_id: str
    state: str
    message: str


class OrderedClusters:
    """Find orders by id or name. A request for a cluster that is registered never looks here."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._by_id: dict[str, OrderedCluster] = {}

    def find(self, id_or_name: str) -> OrderedCluster | None:
        """Return the order with that id, else with that name."""
        found = self._by_id.get(id_or_name)
        if found is not None:
            return found
        return next((one for one in self._by_id.values() if one.name == id_or_name), None)

    async def load(self) -> None:
        """Read all orders. Raises StoreUnavailable."""
        orders = await self._store.orders.list_all()
        self._by_id = {one.id: _ordered(one) for one in orders if not one.release}

    async def refresh(self, order_id: str) -> None:
        """Read one order again. Raises StoreUnavailable."""
        order = await self._store.orders.summary(order_id)
        if order is None or order.release:
            self._by_id.pop(order_id, None)
        else:
            self._by_id[order_id] = _ordered(order)


def _ordered(order: OrderSummary) -> OrderedCluster:
    return OrderedCluster(order.id, order.name, order.owner_id, order.state, order.message)
