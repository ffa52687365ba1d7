"""An ordered cluster that is reached by its agent, which the engine's kubeconfig installs."""

import asyncio
import base64
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from agent.relay import Address
from management.kubernetes.manifests import AGENT, NAMESPACE
from store.database import open_store
from store.encryption import Keyring
from tests.management.provisioning.running import Running, enabled
from tests.management.provisioning.test_provisioner import await_nothing_left
from tests.support.addresses import LOOPBACK_ALLOWED
from tests.support.agents import TestAgent, open_tunnel
from tests.support.capi.management_cluster import CREATION_SECONDS, ManagementCluster
from tests.support.edge import target
from tests.support.kubernetes import kubectl
from tests.support.log_lines import audit_events
from tests.support.sekisho import Sekisho, free_port, make_sekisho, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(600)

NAME = "edge"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sekisho]:
    """Run a server with the user alice."""
    made = make_sekisho(tmp_path, (free_port(), free_port()))
    with running(made):
        made.create_user("alice")
        yield made


async def test_order_by_agent_is_registered_through_its_tunnel(
    server: Sekisho, management_cluster: ManagementCluster, tmp_path: Path
) -> None:
    keyring = Keyring.parse((tmp_path / "data" / "encryption.key").read_text().strip())
    url = f"sqlite:///{tmp_path / 'data' / 'sekisho.db'}"
    store = await open_store(url, keyring, addresses=LOOPBACK_ALLOWED)
    try:
        cluster = await enabled(store, management_cluster)
        one = Running(store, cluster, management_cluster)
        (alice,) = await store.users.find("alice")
        order = await one.order(NAME, workers=0, reach="agent", owner_id=alice.id)
        await one.await_state(order.id, "importing")
        kubeconfig = await asyncio.to_thread(management_cluster.created_kubeconfig, NAME, tmp_path)
        token: str | None = None

        async def installed() -> bool:
            nonlocal token
            token = await asyncio.to_thread(agent_token, kubeconfig)
            return token is not None

        await eventually(installed, CREATION_SECONDS, "the agent's Secret")
        assert token is not None
        async with open_tunnel(target(server, token), TestAgent(address_of(kubeconfig))):
            await one.await_state(order.id, "ready")
            made = await store.clusters.get(order.id)
            assert made is not None
            assert made.reach == "agent"
            config = await asyncio.to_thread(server.kubeconfig, "alice", NAME)
            entered = await asyncio.to_thread(kubectl, config, "get", "namespaces")
            assert "kube-system" in entered.stdout
            shown = 'sekisho_orders{management="mgmt",state="ready"}'
            await eventually(lambda: asyncio.to_thread(server.metric, shown), 30, shown)
            ready = 'sekisho_order_seconds_count{class="standin",step="ready"}'
            await eventually(
                lambda: asyncio.to_thread(lambda: server.metric(ready) == 1), 30, ready
            )
        assert files_with(private_key(kubeconfig), tmp_path) == [kubeconfig]
        await store.orders.delete_requested(order.id, "delete")
        await one.await_gone(order.id)
        await await_nothing_left(one, order.id)
        await eventually(lambda: "'sekisho.io/action': 'cluster.gone'" in str(audit_events(server)))
    finally:
        await store.close()
        await asyncio.to_thread(management_cluster.delete_all)


def agent_token(kubeconfig: Path) -> str | None:
    """Return the token that the agent's pods would have; None: there is none yet."""
    done = kubectl(kubeconfig, "get", "secret", AGENT, "-n", NAMESPACE, "-o", "json")
    if done.returncode:
        return None
    return base64.b64decode(json.loads(done.stdout)["data"]["token"]).decode()


def private_key(kubeconfig: Path) -> tuple[bytes, bytes]:
    """Return the key of the engine's kubeconfig, encoded and as PEM without its frame."""
    (user,) = yaml.safe_load(kubeconfig.read_text())["users"]
    encoded = user["user"]["client-key-data"]
    return encoded.encode(), b"".join(base64.b64decode(encoded).splitlines()[1:-1])


def files_with(texts: tuple[bytes, ...], folder: Path) -> list[Path]:
    """Return the files of a server, its database and logs, in which one of the texts is."""
    return [
        file
        for file in folder.rglob("*")
        if file.is_file() and any(one in file.read_bytes().replace(b"\n", b"") for one in texts)
    ]


def address_of(kubeconfig: Path) -> Address:
    """Return the API server's address, which only the agent uses."""
    config = yaml.safe_load(kubeconfig.read_text())
    url = urlsplit(config["clusters"][0]["cluster"]["server"])
    return Address(url.hostname or "", url.port or 443)
