"""A restored cluster that only its agent reaches: reviewed through it, and then accepted."""

from tests.management.clusters.test_agent_processes import EdgeCluster
from tests.management.clusters.test_agent_processes import edge as edge  # a fixture
from tests.support.sekisho import Sekisho
from tests.support.waiting import wait_until

BINDINGS = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"
PASSPHRASE = "a passphrase of the test"


def is_bound(edge: EdgeCluster, user: str) -> bool:
    """Return whether a user has a role of Sekisho in the cluster."""
    items = edge.cluster.ask("GET", BINDINGS)["items"]
    return any(user == one["name"] for found in items for one in found.get("subjects", []))


def is_connected(server: Sekisho, token: str) -> bool:
    return bool(server.request("GET", "/v1/clusters/edge", token=token).json()["agents"])


def test_restored_cluster_is_reviewed_through_its_agent_and_changed_when_accepted(
    edge: EdgeCluster,
) -> None:
    server = edge.server
    server.environment["SEKISHO_BACKUP__PASSPHRASE"] = PASSPHRASE
    bob, token = server.create_user("bob"), server.token("root")
    body = {"name": "edge", "reach": "agent"}
    edge.apply(server.request("POST", "/v1/registrations", token=token, body=body).body.decode())
    agent = edge.start_agent("agent-1")
    try:
        assert "registered with" in edge.register(), edge.agent_log("agent-1")
        backup = str(edge.folder / "backup")
        server.prepare("admin", "cluster", "grant", "edge", "--user", "bob", "--role", "member")
        wait_until(lambda: is_bound(edge, bob), 60, "the binding")
        server.prepare("admin", "backup", backup)
        server.prepare("admin", "cluster", "revoke", "edge", "--user", "bob")
        wait_until(lambda: not is_bound(edge, bob), 60, "the end of the binding")
        server.stop()
        server.prepare("admin", "restore", backup, "--replace")
        early = server.run("admin", "restore", "--review", check=False)
        assert early.returncode == 1
        assert "the cluster's agent is not connected" in early.stderr
        assert "start the server, wait until the agent is connected" in early.stderr
        server.start()
        wait_until(lambda: is_connected(server, token), 120, "the agent")
        assert f"User {bob}" in server.prepare("admin", "restore", "--review")
        assert not is_bound(edge, bob)
        server.prepare("admin", "restore", "--accept", "--cluster", "edge")
        wait_until(lambda: is_bound(edge, bob), 60, "the binding")
    finally:
        agent.terminate()
        agent.wait(120)
