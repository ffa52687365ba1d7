"""The official Python client and kubernetes-asyncio: list, watch and exec, the same both ways.

Neither takes impersonation from a kubeconfig. So directly they come with a client certificate of
the same user: the same rights, without the extras, which none of these answers depends on.
"""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import kubernetes
import kubernetes.client
import kubernetes.config
import kubernetes.stream
import kubernetes.watch
import kubernetes_asyncio
import kubernetes_asyncio.stream
import kubernetes_asyncio.watch

from tests.comparison.sides import Side
from tests.comparison.world import World

COMMAND = ["sh", "-c", "read x; echo got $x; echo no >&2; exit 3"]
EVENTS = 4

# The package says that it is typed, and is so in parts only.
WATCH: Any = kubernetes.watch.Watch
STREAM: Any = kubernetes.stream.stream
CLIENT: Any = kubernetes.config.new_client_from_config


@contextmanager
def official(side: Side) -> Iterator[Any]:
    """The official client."""
    made = CLIENT(str(side.plain_kubeconfig))
    with made:
        yield kubernetes.client.CoreV1Api(made)


def summary(maps: Any) -> list[str]:
    """Names in the order of the list."""
    return [one.metadata.name for one in maps.items]


def test_the_official_client_lists(world: World) -> None:
    def listed(side: Side) -> object:
        with official(side) as core:
            first = core.list_namespaced_config_map("shared", limit=2_000)
            token = first.metadata._continue
            rest = core.list_namespaced_config_map("shared", _continue=token)
            odd = core.list_namespaced_config_map("shared", label_selector="parity=odd", limit=5)
            return [summary(first), summary(rest), summary(odd), refusal(core)]

    world.same_to_read(listed)


def refusal(core: Any) -> object:
    """What the client is told of a thing that is not there."""
    try:
        core.read_namespaced_config_map("nothing", "shared")
    except kubernetes.client.ApiException as exc:
        return [exc.status, exc.reason, exc.body]
    raise AssertionError("it was there")


def test_the_official_client_watches(world: World) -> None:
    def watched(side: Side) -> object:
        with official(side) as core:
            newest = core.list_namespaced_config_map(side.namespace).metadata.resource_version
            made = iter(range(EVENTS))
            create(core, side, next(made))
            events = []
            watch = WATCH()
            for event in watch.stream(
                core.list_namespaced_config_map, side.namespace, resource_version=newest
            ):
                events.append((event["type"], event["object"].metadata.name))
                if (number := next(made, None)) is None:
                    watch.stop()
                else:
                    create(core, side, number)
            return events

    world.same(watched)


def create(core: Any, side: Side, number: int) -> None:
    """Make a thing happen."""
    core.create_namespaced_config_map(side.namespace, {"metadata": {"name": f"seen-{number}"}})


def test_the_official_client_executes(world: World) -> None:
    def executed(side: Side) -> object:
        world.pod(side)
        with official(side) as core:
            shell = STREAM(
                core.connect_get_namespaced_pod_exec,
                *("worker", side.namespace),
                command=COMMAND,
                stdin=True,
                stdout=True,
                stderr=True,
                _preload_content=False,
            )
            shell.write_stdin("hello\n")
            shell.run_forever(timeout=30)
            return [shell.read_stdout(), shell.read_stderr(), shell.returncode]

    world.same(executed)


def asynchronous(
    side: Side, work: Callable[[Any, Any], Any], *, websockets: bool = False
) -> object:
    """Run a coroutine with kubernetes-asyncio's client."""

    async def run() -> object:
        configuration = kubernetes_asyncio.client.Configuration()
        await kubernetes_asyncio.config.load_kube_config(
            str(side.plain_kubeconfig), client_configuration=configuration
        )
        plain, upgraded = kubernetes_asyncio.client.ApiClient, kubernetes_asyncio.stream.WsApiClient
        kind: Any = upgraded if websockets else plain
        async with kind(configuration) as client, asyncio.timeout(60):
            return await work(kubernetes_asyncio.client.CoreV1Api(client), side)

    return asyncio.run(run())


def test_kubernetes_asyncio_lists(world: World) -> None:
    async def listed(core: Any, _: Side) -> object:
        some = await core.list_namespaced_config_map("shared", limit=3_000)
        token = some.metadata._continue
        rest = await core.list_namespaced_config_map("shared", _continue=token)
        return [summary(some), summary(rest)]

    world.same_to_read(lambda side: asynchronous(side, listed))


def test_kubernetes_asyncio_watches(world: World) -> None:
    async def watched(core: Any, side: Side) -> object:
        async def make(number: int) -> None:
            body = {"metadata": {"name": f"seen-{number}"}}
            await core.create_namespaced_config_map(side.namespace, body)

        newest = await core.list_namespaced_config_map(side.namespace)
        made = iter(range(EVENTS))
        await make(next(made))
        events = []
        async with kubernetes_asyncio.watch.Watch().stream(
            core.list_namespaced_config_map,
            side.namespace,
            resource_version=newest.metadata.resource_version,
        ) as stream:
            async for event in stream:
                events.append((event["type"], event["object"].metadata.name))
                if (number := next(made, None)) is None:
                    break
                await make(number)
        return events

    world.same(lambda side: asynchronous(side, watched))


def test_kubernetes_asyncio_executes(world: World) -> None:
    async def executed(core: Any, side: Side) -> object:
        done = await core.connect_get_namespaced_pod_exec(
            *("worker", side.namespace),
            command=["sh", "-c", "echo out; echo err >&2; head -c 100000 /dev/zero | tr '\\0' x"],
            stdin=False,
            stdout=True,
            stderr=True,
        )
        return [len(done), sorted(set(done))]

    def with_pod(side: Side) -> object:
        world.pod(side)
        return asynchronous(side, executed, websockets=True)

    world.same(with_pod)


def test_two_clients_of_different_kinds_see_the_same_events(world: World) -> None:
    """A thread of one and the loop of the other, on one side at a time."""

    def seen(side: Side) -> object:
        found: list[tuple[str, str]] = []
        ready = threading.Event()

        def watch() -> None:
            with official(side) as core:
                stream = WATCH()
                ready.set()
                for event in stream.stream(
                    core.list_namespaced_config_map, side.namespace, timeout_seconds=60
                ):
                    name = event["object"].metadata.name
                    found.append((event["type"], name))
                    if name == "last":
                        stream.stop()

        thread = threading.Thread(target=watch)
        thread.start()
        assert ready.wait(20)

        async def make(core: Any, _: Side) -> None:
            for name in ("first", "last"):
                await core.create_namespaced_config_map(
                    side.namespace, {"metadata": {"name": name}}
                )

        asynchronous(side, make)
        thread.join(60)
        return sorted(found)

    world.same(seen)
