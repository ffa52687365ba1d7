"""One request through the code: it goes downward, and returns to few packages that it has left.

A real server with a real upstream handles equal requests, and records its calls. See decision 0048
for what is counted, and for the numbers. If this test names a new return, let the caller get the
value with an earlier call, or move the code to where it is used. If it names one that is gone,
remove that line.
"""

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import proxy.forwarding.lifecycle
from tests.security.world import World
from tests.support.recording_upstream import RecordingUpstream
from tests.support.sekisho import free_port, make_sekisho, running
from tests.support.waiting import wait_until
from tests.support.wire import Wire
from tests.walk import recorder
from tests.walk.returns import EVENT_LOOP, Return, common_walk, read_walks, returns

REQUESTS = 6
TARGET = b"/k8s/clusters/a/api/v1/namespaces/x/pods/y"

BOTH: set[Return] = {
    # TLS records arrive from both sides, and the response after authorization found the cluster.
    (EVENT_LOOP, "proxy/transport"),
    (EVENT_LOOP, "proxy/upstream"),
    # The connection to the cluster drives the relay, step by step.
    ("proxy/upstream", "proxy/response"),
    # What begins also ends: the permit is released, the response is counted.
    ("proxy/forwarding", "proxy/limits"),
    ("proxy/forwarding", "proxy/metrics"),
    # The audit log is written as the access log is.
    ("proxy/audit", "proxy/logs"),
}

SLOW_PATH = BOTH | {
    # aiohttp calls the connection, the dispatcher, and at the end the response.
    (EVENT_LOOP, "proxy/client"),
    ("proxy/forwarding", "proxy/request"),
    # The credential is read, and the target is parsed only for a caller who has a valid one.
    ("proxy/auth", "management/http"),
    ("proxy/auth", "proxy/request"),
    # Between check and authorize the permit is taken: an access review counts against the limits.
    ("proxy/forwarding", "proxy/auth"),
    # Authorization found the cluster, and its pool sends the request.
    ("proxy/forwarding", "proxy/upstream"),
    ("proxy/response", "proxy/forwarding"),
}
"""13 returns, half of the 26 before packages (decision 0048)."""

FAST_PATH = BOTH | {
    ("proxy/fastpath", "proxy/client"),
    ("proxy/fastpath", "proxy/forwarding"),
    ("proxy/fastpath", "proxy/upstream"),
    ("proxy/response", "proxy/fastpath"),
}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Path]]:
    """A server that records its calls, and the file of the recording."""
    if not str(proxy.forwarding.lifecycle.__file__).endswith(".py"):
        pytest.skip("calls between compiled functions cannot be recorded")
    folder = tmp_path_factory.mktemp("walk")
    file = folder / "calls.jsonl"
    (folder / "a").mkdir()
    with ExitStack() as stack:
        upstream = stack.enter_context(RecordingUpstream(folder / "a", "service-account-token"))
        sekisho = make_sekisho(folder, (free_port(), free_port()))
        sekisho.environment["SEKISHO_CONTROLLERS__ENABLED"] = "false"
        sekisho.prefix = (sys.executable, str(recorder.__file__), str(file))
        sekisho.run(
            *("admin", "cluster", "add", "a", "--server", upstream.url),
            *("--ca-file", str(upstream.ca_file), "--token-file", str(upstream.token_file)),
        )
        with running(sekisho):
            world = World(sekisho, upstream, upstream)
            world.users["root"] = sekisho.create_user("root", "--admin")
            world.tokens["root"] = sekisho.token("root")
            yield world, file


def audited(world: World, target: bytes) -> int:
    """Return how many requests for ``target`` are in the audit log, which is written last."""
    log = world.sekisho.folder / "data" / "audit.log"
    return log.read_text().count(f'"{target.removeprefix(b"/k8s/clusters/a").decode()}"')


def send(world: World, wire: Wire, target: bytes, count: int = 1) -> None:
    """Send ``count`` requests in one write, and wait until they are finished."""
    before = audited(world, target)
    wire.send(count * world.head(user="root", target=target))
    assert [wire.read_response().status for _ in range(count)] == count * [200]
    wait_until(lambda: audited(world, target) == before + count)


def walk(recording: tuple[World, Path], *, leaves_fast_path: bool) -> set[Return]:
    """Return the returns of a GET on one of the paths, on a connection that has had another."""
    world, file = recording
    with world.connect() as wire:
        # Two requests in one read move the connection to the slow path.
        send(world, wire, TARGET + b"/first", 2 if leaves_fast_path else 1)
        walks_before = len(read_walks(file)) + 1
        for _ in range(REQUESTS + 1):
            send(world, wire, TARGET)
        walks = read_walks(file)[walks_before : walks_before + REQUESTS]
    return returns(common_walk(walks))


def difference(found: set[Return], expected: set[Return]) -> str:
    """Return which returns are new, and which are gone."""
    lines = [f"new return: {a} -> {b}" for a, b in sorted(found - expected)]
    return "\n".join(lines + [f"gone: {a} -> {b}" for a, b in sorted(expected - found)])


def test_request_on_the_slow_path_returns_to_no_other_package(
    recording: tuple[World, Path],
) -> None:
    found = walk(recording, leaves_fast_path=True)
    assert found == SLOW_PATH, difference(found, SLOW_PATH)


def test_request_on_the_fast_path_returns_to_no_other_package(
    recording: tuple[World, Path],
) -> None:
    found = walk(recording, leaves_fast_path=False)
    assert found == FAST_PATH, difference(found, FAST_PATH)
