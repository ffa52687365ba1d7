"""Tokens for clusters whose agent has not connected yet are not kept for ever."""

import pytest

from management.clusters.kubeconfig_import import KubeconfigAccess
from management.clusters.service_account_tokens import AccountTokens
from management.errors import InvalidRequest
from management.kubernetes.endpoint import ClusterCredential, ClusterEndpoint
from management.provisioning.agent_install import AgentInstaller, AgentSource
from store.interfaces import Store
from tests.store.order_records import NO_LIMITS, an_order, with_management

ACCESS = KubeconfigAccess(ClusterEndpoint(("https://192.0.2.1",), ""), ClusterCredential("t"))
TOKENS = AccountTokens("impersonator", "controller", None)


async def test_tokens_of_a_removed_order_are_forgotten_with_the_next_installation(
    store: Store,
) -> None:
    await with_management(store)
    orders = [an_order(name) for name in ("waits", "removed", "next")]
    for one in orders:
        await store.orders.create(one, NO_LIMITS)
    await store.orders.delete_requested("c-removed", "delete")
    installed = {"c-gone": TOKENS, "c-waits": TOKENS, "c-removed": TOKENS}
    agents = AgentInstaller(store, AgentSource("https://sekisho.example"), _installed=installed)
    with pytest.raises(InvalidRequest, match=r"images\.registry"):
        await agents.run(orders[2], None, ACCESS)
    assert installed == {"c-waits": TOKENS}
