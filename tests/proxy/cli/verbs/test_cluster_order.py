"""Orders of clusters at a server without controllers, where only the tests observe orders.

``tests/e2e/test_ordered_clusters.py`` orders from a real engine.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any, Unpack

import pytest

from proxy.cli.admin.database import offline_store
from proxy.cli.client.known_servers import KnownServer
from proxy.cli.client.server_client import ServerClient
from proxy.cli.client.server_session import ServerSession
from proxy.cli.common import CommandFailed
from proxy.cli.output.columns import Item
from proxy.cli.verbs import order_wait
from store.interfaces import Store
from store.order_records import OrderCondition, OrderObservation, OrderState
from tests.proxy.cli.verbs.conftest import CommandLine, World
from tests.store.order_records import NO_LIMITS, a_management, an_order
from tests.support.sekisho import running
from tests.support.waiting import BUSY_SECONDS, wait_until

QUOTA = "quota of 8 CPUs exceeded"
CONDITIONS = (OrderCondition("ControlPlaneAvailable", "False", "QuotaExceeded", QUOTA),)


def at_store(server: Any, action: Callable[[Store], Awaitable[object]]) -> None:
    """Do something with the store of a server, which notices."""

    async def run() -> None:
        async with offline_store(str(server.config)) as (_, store):
            await action(store)

    asyncio.run(run())


def observe(world: World, name: str, **seen: Unpack[OrderObservation]) -> None:
    at_store(world.server, lambda store: store.orders.observe(f"c-{name}", **seen))


@pytest.fixture(scope="module")
def world(prepared_world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server with the management cluster prod, and orders of alice in it."""
    server = prepared_world.server.copied_to(tmp_path_factory.mktemp("orders") / "server")
    with server.config.open("a") as config:
        config.write("\ncontrollers: {enabled: false}\n")

    async def fill(store: Store) -> None:
        prod = await store.clusters.get("prod")
        assert prod is not None
        await store.management_clusters.put(replace(a_management(), cluster_id=prod.id))
        owner = prepared_world.users["alice"]
        for name in ("shop", "slow", "gone", "wait", "refused", "foreign", "leave"):
            order = replace(an_order(name), management_id=prod.id, owner_id=owner)
            await store.orders.create(order, NO_LIMITS)
        adopted = an_order("adopted", adopted=True, management_id=prod.id, owner_id=owner)
        await store.orders.create(adopted, NO_LIMITS)

    at_store(server, fill)
    with running(server):
        yield World(server, server.folder, prepared_world.users)


def test_orders_are_listed_with_the_words_of_the_engine(
    world: World, alice: CommandLine, bob: CommandLine
) -> None:
    observe(world, "slow", state="provisioning", message=QUOTA, slow=True, conditions=CONDITIONS)
    [row] = [one for one in alice.run("clusters").stdout.splitlines() if one.startswith("slow")]
    assert f"provisioning (slower than usual): {QUOTA}" in row
    shown = alice.run("cluster", "show", "slow").stdout
    lines = {
        key: value.strip() for key, _, value in (one.partition(":") for one in shown.split("\n"))
    }
    assert lines["CLASS"] == "standin"
    assert lines["POOLS"] == "workers=2"
    assert lines["REMARKS"] == f"QuotaExceeded: {QUOTA}"
    assert alice.json("cluster", "show", "slow")["provision"]["state"] == "provisioning"
    assert "slow" not in bob.run("clusters").stdout
    assert 'no cluster "slow"' in bob.fails("cluster", "show", "slow")


END = timedelta(seconds=BUSY_SECONDS)


class Waiting:
    """A wait for an ordered cluster, as ``--wait`` of a user's command does it, in a thread."""

    def __init__(self, line: CommandLine, name: str, timeout: timedelta = END) -> None:
        token = line.run("token", "create", "--ttl", "1h").stdout.strip()
        ca_file = line.server.folder / "data" / "tls" / "ca.crt"
        client = ServerClient(line.server.url, ca_file.read_text())
        session = ServerSession(KnownServer("test", line.server.url), client, token)
        self._thread = ThreadPoolExecutor(1)
        self._result = self._thread.submit(asyncio.run, waited(session, name, timeout))

    def result(self) -> dict[str, Any]:
        """Return the cluster. Raises CommandFailed."""
        with self._thread:
            return dict(self._result.result())


async def waited(session: ServerSession, name: str, timeout: timedelta) -> Item:
    cluster = await session.get(f"/v1/clusters/{name}")
    return await order_wait.wait_until(session, cluster, timeout)


def test_wait_shows_each_step_and_ends_when_the_cluster_is_ready(
    world: World, alice: CommandLine, capfd: pytest.CaptureFixture[str]
) -> None:
    observe(world, "wait", state="provisioning", message=QUOTA)
    waiting = Waiting(alice, "wait")
    errors = ""

    def shown(sentence: str) -> bool:
        nonlocal errors
        errors += capfd.readouterr().err
        return sentence in errors

    wait_until(lambda: shown(f"provisioning: {QUOTA}"), BUSY_SECONDS, lambda: errors)
    world.server.stop()
    observe(world, "wait", state="importing", message="The cluster is being imported.", slow=True)
    world.server.start()
    wait_until(lambda: shown("importing (slower than usual): The"), BUSY_SECONDS, lambda: errors)
    observe(world, "wait", state="ready", message="Users can enter the cluster.", slow=False)
    assert waiting.result()["provision"]["state"] == "ready"
    assert shown("ready: Users can enter the cluster.")
    assert errors.count(QUOTA) == 1


@pytest.mark.parametrize(("name", "state"), [("refused", "refused"), ("foreign", "foreign")])
def test_wait_fails_with_the_sentence_about_what_stopped_the_order(
    world: World, alice: CommandLine, name: str, state: OrderState
) -> None:
    observe(world, name, state=state, message="version cannot be decreased.")
    with pytest.raises(CommandFailed, match=f"{name} is {state}: version cannot be decreased; "):
        Waiting(alice, name).result()


def test_ended_wait_is_continued_by_a_command(world: World, alice: CommandLine) -> None:
    observe(world, "leave", state="provisioning", message=QUOTA)
    late = alice.fails("cluster", "wait", "leave", "--timeout", "1s")
    assert f"leave is not ready after 1s: provisioning: {QUOTA}; " in late
    observe(world, "leave", state="ready", message="Users can enter the cluster.")
    assert "is ready" in alice.run("cluster", "wait", "leave").stdout
    assert "was imported, not ordered" in alice.fails("cluster", "wait", "prod")


def test_wait_ends_with_the_timeout_and_names_the_last_step(
    world: World, alice: CommandLine
) -> None:
    observe(world, "shop", state="provisioning", message=QUOTA)
    with pytest.raises(CommandFailed) as raised:
        Waiting(alice, "shop", timedelta(seconds=2)).result()
    assert f"shop is not ready after 2s: provisioning: {QUOTA}; " in str(raised.value)
    assert "sekisho cluster show shop" in str(raised.value)


def test_wait_ends_when_the_order_is_gone(
    world: World, alice: CommandLine, capfd: pytest.CaptureFixture[str]
) -> None:
    observe(world, "gone", state="provisioning")
    waiting = Waiting(alice, "gone")
    wait_until(lambda: "provisioning" in capfd.readouterr().err, what="the first step")
    at_store(world.server, lambda store: store.orders.delete("c-gone"))
    with pytest.raises(CommandFailed, match="gone"):
        waiting.result()


def test_wrong_words_are_refused_before_anything_is_sent(alice: CommandLine) -> None:
    order = ("cluster", "provision", "x", "--class", "standin", "--version", "v1.36.3")
    for words, sentence in (
        ((), "give --workers N, or --pool"),
        (("--workers", "1", "--pool", "a=1"), "and not both"),
        (("--workers", "1", "--timeout", "1m"), "--timeout goes with --wait"),
        (("--workers", "1", "--wait", "--dry-run"), "--dry-run makes none"),
        (("--workers", "-1"), "-1 is not in the range"),
    ):
        assert sentence in alice.fails(*order, *words, code=2), words
    assert "its pools are workers" in alice.fails("cluster", "scale", "shop", "blue", "1")
    configure = ("cluster", "configure", "shop")
    for words, sentence in (
        ((), "give --set, --unset, or --values"),
        (("--set", "a=1", "--wait", "--dry-run"), "--dry-run makes none"),
        (("--unset", "size"), 'the order does not set "size"'),
    ):
        assert sentence in alice.fails(*configure, *words, code=2), words
    for change in (
        ("scale", "prod", "workers", "1"),
        ("upgrade", "prod", "v1.37.0"),
        ("configure", "prod", "--set", "size=1"),
        ("variables", "prod"),
    ):
        assert "was imported, not ordered" in alice.fails("cluster", *change)


def test_removal_of_an_ordered_cluster_says_what_happens_to_machines(
    world: World, alice: CommandLine
) -> None:
    remove = ("cluster", "remove", "leave")
    assert "--infrastructure delete to delete its machines" in alice.fails(*remove, code=2)
    assert "machines and all data" in alice.fails(*remove, "--infrastructure", "delete", code=2)
    assert "was imported" in alice.fails(
        "cluster", "remove", "prod", "--infrastructure", "delete", code=2
    )
    done = alice.run(*remove, "--infrastructure", "delete", "--yes").stdout
    assert "cluster leave (c-leave) is being deleted" in done
    assert alice.json("cluster", "show", "leave")["provision"]["infrastructure"] == "delete"


def test_adopted_cluster_is_not_changed_and_its_machines_stay(alice: CommandLine) -> None:
    failed = alice.fails("cluster", "upgrade", "adopted", "v1.37.0")
    assert "change it where it was made" in failed
    done = alice.run("cluster", "remove", "adopted", "--yes").stdout
    assert "its machines stay" in done


def test_order_is_attached_only_where_its_management_cluster_responds(
    root: CommandLine, alice: CommandLine, bob: CommandLine
) -> None:
    reattach = ("cluster", "reattach", "shop")
    assert 'no cluster "shop"' in bob.fails(*reattach)
    assert "The engine does not respond" in alice.fails(*reattach)
    assert 'no management cluster "nope"' in root.fails(*reattach, "--management", "nope")
    assert "--dry-run attaches nothing" in root.fails(*reattach, "--dry-run", "--wait", code=2)


def test_variables_of_an_order_are_shown_without_the_engine(
    world: World, alice: CommandLine, bob: CommandLine
) -> None:
    shown = alice.run("cluster", "variables", "slow")
    assert "only what was ordered is shown" in shown.stderr
    assert 'no class "standin"' in alice.fails("cluster", "configure", "slow", "--set", "size=1")
    assert 'no cluster "slow"' in bob.fails("cluster", "variables", "slow")


def test_classes_of_a_management_cluster_that_is_away_are_explained(
    root: CommandLine, alice: CommandLine
) -> None:
    assert "classes of prod are not known" in root.run("cluster", "classes").stderr
    order = ("cluster", "provision", "x", "--class", "standin", "--version", "v1.36.3")
    assert 'no class "standin"' in root.fails(*order, "--workers", "1", "--set", "size=1")
    assert "sekisho: error: " in root.fails(*order, "--workers", "1")
    assert "permission" in alice.fails(*order, "--workers", "1")
