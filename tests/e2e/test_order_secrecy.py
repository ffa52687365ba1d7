"""What the engine says about an order may repeat a variable's value: only the orderer reads it.

A policy of the management cluster refuses orders with a sentence that has the value, in each way in
which an order can be refused. Afterwards, nothing that operators collect contains the value.
"""

import io
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.ordering import ORDER, ordering
from tests.proxy.cli.verbs.conftest import World
from tests.support.capi.management_cluster import CREATION_SECONDS, ManagementCluster
from tests.support.capi.repeating_policy import NAME, repeating_policy
from tests.support.capi.standin_kinds import CLASS, VERSIONS
from tests.support.http_response import HttpResponse
from tests.support.log_lines import events_of
from tests.support.otlp_receiver import OtlpReceiver, receiving
from tests.support.sekisho import Sekisho
from tests.support.waiting import wait_until

pytestmark = pytest.mark.timeout(900)

SENTINEL = "Zq7rW2xK9v"
AT_ONCE, LATER, LOCKED = (f"{word}-{SENTINEL}" for word in ("at-once", "later", "locked"))
PLACES = (
    *("audit log", "audit search", "log", "metrics", "traces", "support bundle"),
    "database of what was refused at once",
)


@dataclass
class Orderer:
    """alice over HTTP."""

    server: Sekisho
    token: str

    def send(self, method: str, path: str, body: object = None, key: str = "") -> HttpResponse:
        """Send a request to ``/v1/clusters``, with an idempotency key if one is given."""
        headers = {"Idempotency-Key": key} if key else {}
        path = f"/v1/clusters{path}"
        return self.server.request(method, path, token=self.token, body=body, headers=headers)

    def place(self, name: str, value: str, query: str = "", key: str = "") -> HttpResponse:
        """Order a cluster with a value of the variable ``fail``."""
        wanted = {
            "class": CLASS,
            "version": VERSIONS[0],
            "workers": 1,
            "variables": {"fail": value},
        }
        return self.send("POST", query, {"name": name, "provision": wanted}, key)

    def change(self, name: str, **wanted: Any) -> HttpResponse:
        """Change an order."""
        return self.send("PATCH", f"/{name}", {"provision": wanted})

    def provision(self, name: str) -> dict[str, Any]:
        """Return the order as it is shown."""
        return dict(self.send("GET", f"/{name}").json()["provision"])

    def await_provision(self, name: str, state: str, words: str) -> None:
        """Wait until the order has a state, and a message that contains ``words``."""

        def reached() -> bool:
            found = self.provision(name)
            return found["state"] == state and words in found["message"]

        wait_until(reached, CREATION_SECONDS, lambda: str(self.provision(name)))


@pytest.fixture(scope="module")
def collected(
    management_cluster: ManagementCluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[str, str]]:
    """Have orders refused in all ways. Return what operators collect, by place."""
    folder = tmp_path_factory.mktemp("secrecy")
    with receiving() as otlp:
        traces = {
            "SEKISHO_TRACES__ENDPOINT": otlp.url,
            "SEKISHO_TRACES__RATIO": "1",
            "SEKISHO_TRACES__MANAGEMENT_RATIO": "1",
        }
        with ordering(management_cluster, folder, **traces) as world:
            world.of("root").run("binding", "create", "auditor", "--user", "bob")
            management_cluster.apply(repeating_policy(SENTINEL))
            orderer = Orderer(world.server, world.server.token("alice"))
            try:
                _refused_over_http(orderer)
                _refused_on_the_command_line(world)
                _refused_by_the_controller(world, orderer)
                yield _collect(world, otlp)
            finally:
                kinds = "validatingadmissionpolicies,validatingadmissionpolicybindings"
                management_cluster.kubectl("delete", kinds, "-l", f"tests={NAME}")


def _refused_over_http(orderer: Orderer) -> None:
    """Have a dry run, an order, and changes refused."""

    def is_effective() -> bool:
        tried = orderer.place("tried", AT_ONCE, "?dry_run=true")
        return tried.status == 422 and AT_ONCE in tried.json()["detail"]

    wait_until(is_effective, CREATION_SECONDS, "the policy")
    assert orderer.place("locked", LOCKED).status == 202
    orderer.await_provision("locked", "provisioning", "")
    for refused, value in (
        (orderer.place("tried", AT_ONCE, key="a-key"), AT_ONCE),
        (orderer.change("locked", variables={"fail": AT_ONCE}), AT_ONCE),
        (orderer.change("locked", workers=2), LOCKED),
        (orderer.change("locked", version=VERSIONS[1]), LOCKED),
    ):
        assert (refused.status, value in refused.json()["detail"]) == (422, True), refused.body


def _refused_on_the_command_line(world: World) -> None:
    """Have the same refused for the command line."""
    alice = world.of("alice")
    order = ("cluster", "provision", "tried", *ORDER, "--workers", "1", "--set", f"fail={AT_ONCE}")
    for words, value in (
        ((*order, "--dry-run"), AT_ONCE),
        (order, AT_ONCE),
        (("cluster", "scale", "locked", "workers", "2"), LOCKED),
        (("cluster", "upgrade", "locked", VERSIONS[1]), LOCKED),
    ):
        assert value in alice.fails(*words)


def _refused_by_the_controller(world: World, orderer: Orderer) -> None:
    """Have an order refused that the dry run accepted, and a deletion."""
    assert orderer.place("later", LATER).status == 202
    orderer.await_provision("later", "refused", LATER)
    bob = Orderer(world.server, world.server.token("bob"))
    assert SENTINEL not in str(bob.provision("later"))
    for path in ("/later/members", "/later/nodes"):
        assert LATER in orderer.send("GET", path).json()["detail"]
        assert SENTINEL not in str(bob.send("GET", path).json())
    gate = "/k8s/clusters/later/api"
    assert LATER in str(world.server.request("GET", gate, token=orderer.token).body)
    assert SENTINEL not in str(world.server.request("GET", gate, token=bob.token).body)
    assert orderer.send("DELETE", "/locked?infrastructure=delete").status == 202
    orderer.await_provision("locked", "deleting", LOCKED)
    # Its condition repeats the value: that is a report, which has no mark of a refusal.
    assert SENTINEL not in bob.provision("locked")["message"]
    assert "users with cluster.edit can read why" in bob.provision("locked")["message"]
    (listed,) = [one for one in bob.send("GET", "").json()["items"] if one["name"] == "locked"]
    assert SENTINEL not in str(listed)
    world.of("alice").run("cluster", "remove", "later", "--infrastructure", "delete", "--yes")


def _collect(world: World, otlp: OtlpReceiver) -> Mapping[str, str]:
    server = world.server
    root = server.token("root")

    def searched() -> str:
        found = server.request("GET", "/v1/audit?since=1h&limit=500", token=root)
        assert found.status == 200, found.body
        return found.body.decode()

    wait_until(lambda: searched().count("the engine refused the order") >= 8, what=searched)
    wait_until(lambda: "PATCH /v1/clusters/{cluster}" in str(otlp.spans), what=str(otlp.spans))
    bundle = server.folder / "bundle.tar.gz"
    server.prepare(
        "admin", "support-bundle", str(bundle), "--log", str(server.folder / "stderr.log")
    )
    audit = "".join(one.read_text() for one in server.folder.rglob("audit*.log"))
    stored = b"".join(one.read_bytes() for one in server.folder.rglob("*.db*"))
    return {
        "audit log": audit,
        "audit search": searched(),
        "log": server.log + server.output,
        "metrics": server.get_monitoring("/metrics"),
        "traces": str(otlp.spans),
        "support bundle": _unpacked(bundle.read_bytes()),
        "database of what was refused at once": stored.decode("latin-1")
        .replace(LATER, "")
        .replace(LOCKED, ""),
    }


def _unpacked(bundle: bytes) -> str:
    with tarfile.open(fileobj=io.BytesIO(bundle)) as archive:
        files = (archive.extractfile(one) for one in archive.getmembers())
        return "".join(one.read().decode() for one in files if one is not None)


def test_audit_log_names_what_was_refused_and_which_variables(
    collected: Mapping[str, str],
) -> None:
    events = events_of(collected["audit log"])
    notes = [one["annotations"] for one in events]
    reasons = [one.get("sekisho.io/reason") for one in notes]
    assert reasons.count("the engine refused the order") >= 8
    placed = [one for one in notes if one.get("sekisho.io/action") == "cluster.provision"]
    assert {one["sekisho.io/variables"] for one in placed} == {"fail"}
    assert 'order "later"' not in str(reasons)
    assert any("on order (refused) and not imported" in str(one) for one in reasons)


@pytest.mark.parametrize("place", PLACES)
def test_values_that_the_engine_repeats_are_in_no_record(
    collected: Mapping[str, str], place: str
) -> None:
    assert len(collected[place]) > 100
    assert SENTINEL not in collected[place]
