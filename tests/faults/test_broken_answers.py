"""API servers that break off, hang or send invalid HTTP: Status, metric, log line, no leak."""

import asyncio
import http.client
import itertools
import json
import re
import socket
import threading
from dataclasses import dataclass

import pytest

from tests.faults.conftest import FaultSekisho
from tests.support.scripted_api_server import (
    ReceivedRequest,
    Script,
    ScriptedApiServer,
    respond_json,
    send_and_close,
)
from tests.support.sekisho import HttpResponse
from tests.support.waiting import wait_until

CLUSTER = "/k8s/clusters/scripted"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


async def _resets(received: ReceivedRequest) -> None:
    received.reset()


async def _resets_within_its_head(received: ReceivedRequest) -> None:
    await received.send(b"HTTP/1.1 200 OK\r\nContent-")
    received.reset()


async def _hangs(received: ReceivedRequest) -> None:
    await received.wait_until_closed()


async def _hangs_within_its_head(received: ReceivedRequest) -> None:
    await received.send(b"HTTP/1.1 200 OK\r\nContent-")
    await received.wait_until_closed()


@dataclass(frozen=True)
class Fault:
    """A fault of an API server, and the expected result."""

    script: Script
    code: int
    reason: str
    kind: str


FAULTS = {
    "says nothing": Fault(send_and_close(), 502, "BadGateway", "closed"),
    "resets": Fault(_resets, 502, "BadGateway", "closed"),
    "ends within its head": Fault(send_and_close(HEAD[:20]), 502, "BadGateway", "closed"),
    "resets within its head": Fault(_resets_within_its_head, 502, "BadGateway", "closed"),
    "sends garbage": Fault(
        send_and_close(b"\x00\xff garbage \r\n\r\n"), 502, "BadGateway", "protocol"
    ),
    "speaks another protocol": Fault(
        send_and_close(b"SSH-2.0-x\r\n"), 502, "BadGateway", "protocol"
    ),
    "frames in two ways": Fault(
        send_and_close(HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"),
        502,
        "BadGateway",
        "protocol",
    ),
    "has two lengths": Fault(
        send_and_close(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
        502,
        "BadGateway",
        "protocol",
    ),
    "has an endless head": Fault(
        send_and_close(b"HTTP/1.1 200 OK\r\n" + b"X: %b\r\n" % (b"y" * 1000) * 300),
        502,
        "BadGateway",
        "protocol",
    ),
    "switches unasked": Fault(
        send_and_close(
            b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"
        ),
        502,
        "BadGateway",
        "protocol",
    ),
    "never answers": Fault(_hangs, 504, "Timeout", "timeout"),
    "stops within its head": Fault(_hangs_within_its_head, 504, "Timeout", "timeout"),
}


def errors(sekisho: FaultSekisho, kind: str, cluster: str = "scripted") -> float:
    line = f'sekisho_upstream_errors_total{{cluster="{cluster}",kind="{kind}"}}'
    return sekisho.metric(line)


def logged(sekisho: FaultSekisho, answer: HttpResponse) -> dict[str, object]:
    """Return the access log entry of the request with this response."""
    return logged_as(sekisho, answer.headers["X-Request-Id"])


def logged_as(sekisho: FaultSekisho, request_id: str) -> dict[str, object]:
    wait_until(
        lambda: f'"request_id": "{request_id}"' in sekisho.log, 20, "a line in the access log"
    )
    lines = [line for line in sekisho.log.splitlines() if f'"request_id": "{request_id}"' in line]
    assert len(lines) == 1
    found: dict[str, object] = json.loads(lines[0])
    return found


def assert_status(answer: HttpResponse, code: int, reason: str, cluster: str = "scripted") -> None:
    """Assert that the response is a Status with the cluster's name and nothing internal."""
    assert answer.status == code
    status = answer.json()
    assert (status["kind"], status["code"], status["reason"]) == ("Status", code, reason)
    assert f'cluster "{cluster}"' in status["message"]
    assert not re.search(r"127\.0\.0\.1|localhost|:\d\d|Errno|Error\(|\[", status["message"])


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_failing_api_server_gives_a_status_with_the_reason(
    sekisho: FaultSekisho, scripted: ScriptedApiServer, fault: Fault
) -> None:
    scripted.scripts["/broken"] = fault.script
    before = errors(sekisho, fault.kind)
    answer = sekisho.request("GET", f"{CLUSTER}/broken", token=sekisho.root)
    assert_status(answer, fault.code, fault.reason)
    assert errors(sekisho, fault.kind) == before + 1
    line = logged(sekisho, answer)
    assert (line["status"], line["cluster"]) == (fault.code, "scripted")
    assert str(line["reason"]).startswith('cluster "scripted": ')
    # The cluster serves the next request normally.
    assert sekisho.request("GET", f"{CLUSTER}/fine", token=sekisho.root).status == 200


LENGTH = HEAD + b"Content-Length: 10\r\n\r\nhello"
CHUNK = HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"


async def _tls_cut(received: ReceivedRequest) -> None:
    """Send FIN without TLS close_notify, as an attacker in the network could."""
    received.writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
    await received.wait_until_closed()


BREAKS: dict[str, tuple[bytes, Script]] = {
    "a length that isn't reached": (LENGTH, send_and_close()),
    "no last chunk": (CHUNK, send_and_close()),
    "half a chunk": (CHUNK, send_and_close(b"10\r\nhalf")),
    "a reset": (CHUNK, _resets),
    "a cut below TLS": (CHUNK, _tls_cut),
    "garbage for a chunk": (CHUNK, send_and_close(b"garbage\r\n")),
}


@pytest.mark.parametrize(("begin", "end"), BREAKS.values(), ids=list(BREAKS))
def test_truncated_response_is_visible_to_the_client_and_counted(
    sekisho: FaultSekisho, scripted: ScriptedApiServer, begin: bytes, end: Script
) -> None:
    begun = threading.Event()

    async def script(received: ReceivedRequest) -> None:
        await received.send(begin)
        await asyncio.to_thread(begun.wait, 30)
        await end(received)

    scripted.scripts["/broken"] = script
    before = errors(sekisho, "truncated")
    with sekisho.open_request("GET", f"{CLUSTER}/broken") as answer:
        assert answer.read(5) == b"hello"
        begun.set()
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            answer.read()
    line = logged_as(sekisho, answer.headers["X-Request-Id"])
    assert (line["status"], line["reason"]) == (200, "the cluster ended its response early")
    assert errors(sekisho, "truncated") == before + 1
    assert sekisho.request("GET", f"{CLUSTER}/fine", token=sekisho.root).status == 200


def test_response_without_length_ends_with_its_connection(
    sekisho: FaultSekisho, scripted: ScriptedApiServer
) -> None:
    scripted.scripts["/plain"] = send_and_close(HEAD + b"\r\nhello")
    before = errors(sekisho, "truncated")
    assert sekisho.request("GET", f"{CLUSTER}/plain", token=sekisho.root).body == b"hello"
    assert errors(sekisho, "truncated") == before


def test_followed_log_without_lines_has_no_header_timeout(
    sekisho: FaultSekisho, scripted: ScriptedApiServer
) -> None:
    """A kubelet sends the head with the first line, so no timeout applies to it."""

    async def script(received: ReceivedRequest) -> None:
        # Longer than the three seconds within which other responses must begin.
        await asyncio.sleep(6)
        await respond_json(b"at last")(received)

    path = "/api/v1/namespaces/n/pods/p/log"
    scripted.scripts[path] = script
    answer = sekisho.request("GET", f"{CLUSTER}{path}?follow=true", token=sekisho.root)
    assert (answer.status, answer.body) == (200, b"at last")


def test_write_with_a_lost_response_is_not_sent_again(
    sekisho: FaultSekisho, scripted: ScriptedApiServer
) -> None:
    assert sekisho.request("GET", f"{CLUSTER}/fine", token=sekisho.root).status == 200
    scripted.scripts["/write"] = _resets
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = sekisho.request(method, f"{CLUSTER}/write", token=sekisho.root, body={})
        assert_status(answer, 502, "BadGateway")
        assert scripted.received.count(f"{method} /write") == 1


def test_client_gone_during_its_upload_leaves_nothing_open(
    sekisho: FaultSekisho, scripted: ScriptedApiServer
) -> None:
    got = threading.Event()

    async def script(received: ReceivedRequest) -> None:
        got.set()
        await received.wait_until_closed()

    scripted.scripts["/upload"] = script
    with sekisho.connected() as client:
        client.sendall(
            f"POST {CLUSTER}/upload HTTP/1.1\r\nHost: g\r\nContent-Length: 1000000\r\n"
            f"Authorization: Bearer {sekisho.root}\r\n\r\nsome".encode()
        )
        assert got.wait(120)
        assert sekisho.metric("sekisho_requests_in_flight") == 1
    wait_until(lambda: sekisho.metric("sekisho_requests_in_flight") == 0, 20)


def test_response_before_the_end_of_an_upload_is_relayed(
    sekisho: FaultSekisho, scripted: ScriptedApiServer
) -> None:
    scripted.scripts["/upload"] = send_and_close(
        b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
    )
    with sekisho.connected() as client:
        client.sendall(
            f"POST {CLUSTER}/upload HTTP/1.1\r\nHost: g\r\nContent-Length: 1000000\r\n"
            f"Authorization: Bearer {sekisho.root}\r\n\r\nsome".encode()
        )
        assert client.recv(65536).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "piece", [b"y" * 65536, b"X: y\r\n" * 10_000], ids=["one line", "many lines"]
)
def test_trailers_without_end_are_cut_off(
    sekisho: FaultSekisho, scripted: ScriptedApiServer, piece: bytes
) -> None:
    """Trailers are kept until the response is complete, so they are limited, as its head is."""
    sent = itertools.count()
    ended = threading.Event()

    async def script(received: ReceivedRequest) -> None:
        await received.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: ")
        try:
            while next(sent) < 1000:
                await received.send(piece)
        finally:
            ended.set()

    scripted.scripts["/trailers"] = script
    with (
        sekisho.open_request("GET", f"{CLUSTER}/trailers") as answer,
        pytest.raises((http.client.IncompleteRead, ConnectionError)),
    ):
        answer.read()
    assert ended.wait(60)
    # The rest is in the sockets' buffers.
    assert next(sent) < 500
