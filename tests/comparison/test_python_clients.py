"""List, watch and exec with the official Python client and kubernetes-asyncio.

Neither client supports impersonation in a kubeconfig. On the direct side they use a client
certificate of the same user. It has no extras, on which no result here depends.
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

# The package declares type information but is only partly typed.
WATCH: Any = kubernetes.watch.Watch
STREAM: Any = kubernetes.stream.stream
CLIENT: Any = kubernetes.config.new_client_from_config


@contextmanager
def official(side: Side) -> Iterator[Any]:
    """Open the official client."""
    numbers = CLIENT(str(side.plain_kubeconfig))
    with numbers:
        yield kubernetes.client.CoreV1Api(numbers)


def summary(maps: Any) -> list[str]:
    """Return the names in the order of the list."""
    return [one.metadata.name for one in maps.items]


def test_official_client_lists(world: World) -> None:
    def listed(side: Side) -> object:
        with official(side) as core:
            first = core.list_namespaced_config_map("shared", limit=2_000)
            token = first.metadata._continue
            rest = core.list_namespaced_config_map("shared", _continue=token)
            odd = core.list_namespaced_config_map("shared", label_selector="parity=odd", limit=5)
            return [summary(first), summary(rest), summary(odd), refusal(core)]

    world.compare_reads(listed)


def refusal(core: Any) -> object:
    """Return the client's error for a missing object."""
    try:
        core.read_namespaced_config_map("missing", "shared")
    except kubernetes.client.ApiException as exc:
        return [exc.status, exc.reason, exc.body]
    raise AssertionError("the object exists")


def test_official_client_watches(world: World) -> None:
    def watched(side: Side) -> object:
        with official(side) as core:
            newest = core.list_namespaced_config_map(side.namespace).metadata.resource_version
            numbers = iter(range(EVENTS))
            create(core, side, next(numbers))
            events = []
            watch = WATCH()
            for event in watch.stream(
                core.list_namespaced_config_map, side.namespace, resource_version=newest
            ):
                events.append((event["type"], event["object"].metadata.name))
                if (number := next(numbers, None)) is None:
                    watch.stop()
                else:
                    create(core, side, number)
            return events

    world.compare(watched)


def create(core: Any, side: Side, number: int) -> None:
    """Create a ConfigMap, which causes an event."""
    core.create_namespaced_config_map(side.namespace, {"metadata": {"name": f"seen-{number}"}})


def test_official_client_executes(world: World) -> None:
    def executed(side: Side) -> object:
        world.create_pod(side)
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
            shell.run_forever(timeout=120)
            return [shell.read_stdout(), shell.read_stderr(), shell.returncode]

    world.compare(executed)


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

    world.compare_reads(lambda side: asynchronous(side, listed))


def test_kubernetes_asyncio_watches(world: World) -> None:
    async def watched(core: Any, side: Side) -> object:
        async def make(number: int) -> None:
            body = {"metadata": {"name": f"seen-{number}"}}
            await core.create_namespaced_config_map(side.namespace, body)

        newest = await core.list_namespaced_config_map(side.namespace)
        numbers = iter(range(EVENTS))
        await make(next(numbers))
        events = []
        async with kubernetes_asyncio.watch.Watch().stream(
            core.list_namespaced_config_map,
            side.namespace,
            resource_version=newest.metadata.resource_version,
        ) as stream:
            async for event in stream:
                events.append((event["type"], event["object"].metadata.name))
                if (number := next(numbers, None)) is None:
                    break
                await make(number)
        return events

    world.compare(lambda side: asynchronous(side, watched))


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
        world.create_pod(side)
        return asynchronous(side, executed, websockets=True)

    world.compare(with_pod)


def test_official_and_asyncio_clients_see_equal_events(world: World) -> None:
    """One client runs in a thread, the other on an event loop, on one side at a time."""

    def collect(side: Side) -> object:
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
        assert ready.wait(120)

        async def make(core: Any, _: Side) -> None:
            for name in ("first", "last"):
                await core.create_namespaced_config_map(
                    side.namespace, {"metadata": {"name": name}}
                )

        asynchronous(side, make)
        thread.join(60)
        return sorted(found)

    world.compare(collect)
