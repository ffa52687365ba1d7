"""A running server and kubectl, for a cluster that is on order and not imported."""

import json
from pathlib import Path

import pytest

from tests.store.order_records import NO_LIMITS, a_management, an_order, wanting
from tests.store.records import a_cluster
from tests.support.edge import store_of
from tests.support.kubernetes import kubectl
from tests.support.sekisho import Sekisho, free_port, make_sekisho
from tests.support.waiting import eventually

SECRET = {"password": "variable-secret"}


@pytest.fixture
def sekisho(tmp_path: Path) -> Sekisho:
    return make_sekisho(tmp_path, (free_port(), free_port()))


def kubeconfig(sekisho: Sekisho, user: str) -> Path:
    """Write a kubeconfig for the cluster ``shop``, which no endpoint makes yet."""
    authority = str(sekisho.folder / "data" / "tls" / "ca.crt")
    server = f"{sekisho.url}/k8s/clusters/shop"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": "x", "cluster": {"server": server, "certificate-authority": authority}}
        ],
        "users": [{"name": "x", "user": {"token": sekisho.token(user)}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "current-context": "x",
    }
    file = sekisho.folder / f"{user}.kubeconfig"
    file.write_text(json.dumps(document))
    return file


async def test_kubectl_prints_the_state_of_an_order_to_its_orderer_only(sekisho: Sekisho) -> None:
    alice = sekisho.create_user("alice")
    sekisho.create_user("bob")
    sekisho.start()
    try:
        files = {name: kubeconfig(sekisho, name) for name in ("alice", "bob")}
        async with store_of(sekisho) as store:
            await store.clusters.create(a_cluster("mgmt"))
            await store.management_clusters.put(a_management())
            order = an_order(owner_id=alice, wanted=wanting(variables=SECRET))
            await store.orders.create(order, NO_LIMITS)

        async def refused(user: str) -> str:
            return kubectl(files[user], "get", "nodes").stderr

        async def named() -> bool:
            return "is on order (ordered) and cannot be entered yet" in await refused("alice")

        await eventually(named, 60, "the state of the order")
        assert "on order" not in await refused("bob")
        bearer = {"Authorization": f"Bearer {sekisho.token('alice')}"}
        path = "/v1/clusters/shop?infrastructure=delete"
        assert sekisho.request("DELETE", path, headers=bearer).status == 202
    finally:
        sekisho.stop()
    logged = "".join(one.read_text() for one in sekisho.folder.rglob("audit*.log"))
    (event,) = (json.loads(one) for one in logged.splitlines() if '"cluster.delete"' in one)
    assert event["user"]["username"] == "alice" or alice in str(event["user"])
    assert '"variables":"password"' in json.dumps(event, separators=(",", ":")).replace(
        "sekisho.io/", ""
    )
    assert "variable-secret" not in logged + sekisho.log
