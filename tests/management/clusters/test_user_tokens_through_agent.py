"""A service account for each user, in a cluster that only its agent reaches."""

import asyncio
import json
from collections.abc import Iterator

import pytest

from agent.relay import Address
from tests.management.conftest import OwnCluster
from tests.support.agents import TestAgent, open_tunnel
from tests.support.edge import reach_by_agent, target
from tests.support.kubernetes import kubectl
from tests.support.sekisho import SekishoWithUsers, free_port, make_sekisho, running
from tests.support.waiting import eventually

ACCOUNTS = "/api/v1/namespaces/sekisho-system/serviceaccounts?labelSelector=sekisho.io/user"


@pytest.fixture
def isolated(
    kubernetes: OwnCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SekishoWithUsers]:
    """A running Sekisho, which alice uses with her own account."""
    kubernetes.wipe()
    folder = tmp_path_factory.mktemp("isolated")
    configured = make_sekisho(folder, (free_port(), free_port()))
    made = SekishoWithUsers(folder, configured.port, configured.metrics_port)
    made.change(
        "admin", "cluster", "import", "edge", "--kubeconfig", str(kubernetes.admin_kubeconfig)
    )
    with running(made):
        made.users["root"] = made.create_user("root", "--admin")
        made.users["alice"] = made.create_user("alice")
        made.change("admin", "cluster", "grant", "edge", "--user", "alice", "--role", "member")
        made.configs["alice"] = made.kubeconfig("alice", "edge")
        body = {"impersonator": "per_user"}
        answer = made.request("PATCH", "/v1/clusters/edge", token=made.token("root"), body=body)
        assert answer.status == 200, answer.body
        yield made


async def test_users_have_their_own_accounts_through_a_tunnel(
    isolated: SekishoWithUsers, kubernetes: OwnCluster
) -> None:
    await reach_by_agent(isolated)
    port = int(kubernetes.servers[0].rpartition(":")[2])
    agent = TestAgent(Address("127.0.0.1", port))
    async with open_tunnel(target(isolated), agent):
        output: list[str] = []

        async def knows_her() -> bool:
            done = await asyncio.to_thread(
                kubectl, isolated.configs["alice"], "auth", "whoami", "-o", "json"
            )
            output.append(done.stdout or done.stderr)
            return bool(done.returncode == 0)

        await eventually(knows_her, what=lambda: output[-1])
        who = json.loads(output[-1])["status"]["userInfo"]
        assert who["username"] == isolated.users["alice"]
        accounts = await asyncio.to_thread(kubernetes.ask, "GET", ACCOUNTS)
        found = {one["metadata"]["labels"]["sekisho.io/user"] for one in accounts["items"]}
        assert isolated.users["alice"] in found
        await eventually(lambda: agent.tunnel.streams > 1)  # also those of the controllers
