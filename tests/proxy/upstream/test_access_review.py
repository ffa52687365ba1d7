"""Access reviews: shared while they run, bounded, and denied by invalid responses."""

import asyncio
import gzip
import json
import re
import tracemalloc
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from impersonation.identity import Subject
from impersonation.nested import ImpersonationPermission
from proxy.transport.certificates import KeyPair
from proxy.transport.client_tls import ClientTLSContexts
from proxy.upstream.access_review import MAX_CONCURRENT, PATH, AccessReviewer, ReviewFailed
from tests.store.records import a_cluster
from tests.support.addresses import LOOPBACK_ALLOWED
from tests.support.scripted_api_server import (
    ReceivedRequest,
    Script,
    ScriptedApiServer,
    issue,
    make_authority,
)
from tests.support.waiting import eventually

ALICE = Subject("alice", "u-1", ("dev",), {"username": ("alice",)})
JANE = ImpersonationPermission("users", "jane")
MiB = 1024 * 1024


@pytest.fixture(scope="module")
def authority() -> KeyPair:
    return make_authority()


@pytest.fixture
def api_server(authority: KeyPair) -> Iterator[ScriptedApiServer]:
    with ScriptedApiServer(issue(authority)) as api_server:
        yield api_server


@pytest.fixture
async def reviews(
    api_server: ScriptedApiServer, authority: KeyPair
) -> AsyncIterator[AccessReviewer]:
    ca_pem = authority.certificate_pem.decode()
    at: dict[str, Any] = {"ca_pem": ca_pem, "tls_server_name": None, "addresses": LOOPBACK_ALLOWED}
    cluster = a_cluster(servers=(api_server.url,), **at)
    reviews = AccessReviewer(cluster, ClientTLSContexts().source(ca_pem))
    yield reviews
    await reviews.close()


def reviewing(*, allowed: bool, go: asyncio.Event | None = None) -> Script:
    """Return a script that reads the review, waits for the event, and responds."""
    body = json.dumps({"status": {"allowed": allowed}}).encode()

    async def run(received: ReceivedRequest) -> None:
        length = re.search(rb"\r\nContent-Length: (\d+)", received.head)
        assert length is not None
        await received.reader.readexactly(int(length[1]))
        while go is not None and not go.is_set():
            await asyncio.sleep(0.01)
        await received.send(
            b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )

    return run


async def test_equal_reviews_at_the_same_time_share_one_request(
    api_server: ScriptedApiServer, reviews: AccessReviewer
) -> None:
    api_server.scripts[PATH] = reviewing(allowed=False)
    found = await asyncio.gather(*(reviews.first_denied(ALICE, [JANE]) for _ in range(10)))
    assert found == [JANE] * 10
    assert len(api_server.received) == 1


async def test_reviews_of_different_subjects_are_separate_requests(
    api_server: ScriptedApiServer, reviews: AccessReviewer
) -> None:
    """A cluster may decide by name, uid, groups and extras."""
    api_server.scripts[PATH] = reviewing(allowed=True)
    others = [
        Subject("bob", "u-1", ("dev",), {"username": ("alice",)}),
        Subject("alice", "u-2", ("dev",), {"username": ("alice",)}),
        Subject("alice", "u-1", ("dev", "ops"), {"username": ("alice",)}),
        Subject("alice", "u-1", ("dev",), {"username": ("bob",)}),
    ]
    await asyncio.gather(*(reviews.first_denied(one, [JANE]) for one in [ALICE, *others]))
    assert len(api_server.received) == 5
    await asyncio.gather(*(reviews.first_denied(one, [JANE]) for one in [ALICE, *others]))
    assert len(api_server.received) == 5


async def test_cancelled_caller_does_not_cancel_the_shared_review(
    api_server: ScriptedApiServer, reviews: AccessReviewer
) -> None:
    go = asyncio.Event()
    api_server.scripts[PATH] = reviewing(allowed=True, go=go)
    first, *others = [asyncio.create_task(reviews.first_denied(ALICE, [JANE])) for _ in range(3)]
    await eventually(lambda: bool(api_server.received))
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go.set()
    assert await asyncio.gather(*others) == [None, None]
    assert len(api_server.received) == 1


async def test_close_during_a_review_fails_it_and_cancels_no_caller(
    api_server: ScriptedApiServer, reviews: AccessReviewer
) -> None:
    api_server.scripts[PATH] = ReceivedRequest.wait_until_closed
    waiting = asyncio.create_task(reviews.first_denied(ALICE, [JANE]))
    await eventually(lambda: bool(api_server.received))
    await reviews.close()
    with pytest.raises(ReviewFailed):
        await waiting


async def test_no_review_is_sent_after_the_first_denied_batch(
    api_server: ScriptedApiServer, reviews: AccessReviewer
) -> None:
    api_server.scripts[PATH] = reviewing(allowed=False)
    needed = [JANE, *(ImpersonationPermission("groups", f"g{n}") for n in range(256))]
    assert await reviews.first_denied(ALICE, needed) == JANE
    assert len(api_server.received) == MAX_CONCURRENT


async def test_duplicate_permission_is_reviewed_once(
    api_server: ScriptedApiServer, reviews: AccessReviewer
) -> None:
    api_server.scripts[PATH] = reviewing(allowed=True)
    assert await reviews.first_denied(ALICE, [JANE] * 200) is None
    assert len(api_server.received) == 1


def head(*lines: bytes) -> bytes:
    return b"\r\n".join([b"HTTP/1.1 201 Created", *lines, b"", b""])


def endless(begin: bytes, piece: bytes) -> Script:
    async def run(received: ReceivedRequest) -> None:
        await received.send(begin)
        while True:
            await received.send(piece)

    return run


def whole(body: bytes, *lines: bytes) -> Script:
    async def run(received: ReceivedRequest) -> None:
        await received.send(head(*lines, b"Content-Length: %d" % len(body)), body)

    return run


INVALID_RESPONSES = {
    "an endless body": endless(head(), b'{"a":"' + b"x" * 65536),
    "endless white space": endless(head(), b" " * 65536),
    "a gzip bomb": whole(gzip.compress(b" " * (400 * MiB), 9), b"Content-Encoding: gzip"),
    "deep nesting": whole(b'{"status":' + b"[" * 30_000 + b"]" * 30_000 + b"}"),
    "a list": whole(b"[]"),
    "a status that is a list": whole(b'{"status": [{"allowed": true}]}'),
    "a string instead of true": whole(b'{"status": {"allowed": "true"}}'),
    "not JSON": whole(b"<html>"),
    "NaN": whole(b'{"status": {"allowed": NaN}}'),
}


@pytest.mark.parametrize("kind", INVALID_RESPONSES)
async def test_invalid_review_response_denies_and_takes_little_memory(
    api_server: ScriptedApiServer, reviews: AccessReviewer, kind: str
) -> None:
    api_server.scripts[PATH] = INVALID_RESPONSES[kind]
    tracemalloc.start()
    try:
        try:
            denied = await reviews.first_denied(ALICE, [JANE])
        except ReviewFailed:
            denied = JANE
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert denied == JANE
    # The scripted API server runs in this process too, and holds its responses.
    assert peak < 8 * MiB
