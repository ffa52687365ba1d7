"""An order that is not imported yet, in a management cluster that never responds."""

import pytest

from store.interfaces import Store
from store.order_records import Order, OrderCondition
from tests.store.order_records import NO_LIMITS, a_management, an_order, wanting
from tests.store.records import NOW, a_binding

VALUES = {"password": "variable-secret"}


@pytest.fixture(autouse=True)
async def order(store: Store) -> Order:
    """An order of the user ``plain``, who may order, in the management cluster ``prod``."""
    await store.bindings.create(a_binding("u-plain", "provisioner", None))
    await store.management_clusters.put(a_management("prod"))
    condition = OrderCondition("Available", "False", "QuotaExceeded", "quota of 8 CPUs", NOW)
    made = an_order(
        management_id="c-prod",
        owner_id="u-plain",
        user_name="plain",
        wanted=wanting(variables=VALUES),
        state="provisioning",
        message="quota of 8 CPUs exceeded",
        conditions=(condition,),
        machines=3,
        ready_machines=1,
    )
    await store.orders.create(made, NO_LIMITS)
    return made
