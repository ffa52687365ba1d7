"""A master that breaks off, hangs or talks nonsense: a Status, a metric, a line, and no leak."""

import asyncio
import http.client
import json
import re
import socket
import threading
from dataclasses import dataclass

import pytest

from tests.faults.conftest import Besieged
from tests.parts.scripted_master import Asked, Script, ScriptedMaster, answering, saying
from tests.parts.sekisho import Answer
from tests.parts.vitals import until

CLUSTER = "/k8s/clusters/scripted"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


async def _resets(asked: Asked) -> None:
    asked.reset()


async def _resets_within_its_head(asked: Asked) -> None:
    await asked.say(b"HTTP/1.1 200 OK\r\nContent-")
    asked.reset()


async def _hangs(asked: Asked) -> None:
    await asked.hang()


async def _hangs_within_its_head(asked: Asked) -> None:
    await asked.say(b"HTTP/1.1 200 OK\r\nContent-")
    await asked.hang()


@dataclass(frozen=True)
class Fault:
    """What a master does instead of answering, and what comes of it."""

    script: Script
    code: int
    reason: str
    kind: str


FAULTS = {
    "says nothing": Fault(saying(), 502, "BadGateway", "closed"),
    "resets": Fault(_resets, 502, "BadGateway", "closed"),
    "ends within its head": Fault(saying(HEAD[:20]), 502, "BadGateway", "closed"),
    "resets within its head": Fault(_resets_within_its_head, 502, "BadGateway", "closed"),
    "sends garbage": Fault(saying(b"\x00\xff garbage \r\n\r\n"), 502, "BadGateway", "garbled"),
    "speaks another protocol": Fault(saying(b"SSH-2.0-x\r\n"), 502, "BadGateway", "garbled"),
    "frames in two ways": Fault(
        saying(HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}"),
        502,
        "BadGateway",
        "garbled",
    ),
    "has two lengths": Fault(
        saying(HEAD + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}"),
        502,
        "BadGateway",
        "garbled",
    ),
    "has an endless head": Fault(
        saying(b"HTTP/1.1 200 OK\r\n" + b"X: %b\r\n" % (b"y" * 1000) * 300),
        502,
        "BadGateway",
        "garbled",
    ),
    "switches unasked": Fault(
        saying(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"),
        502,
        "BadGateway",
        "garbled",
    ),
    "knows us no more": Fault(answering(b"{}", b"401 Unauthorized"), 502, "BadGateway", "rejected"),
    "never answers": Fault(_hangs, 504, "Timeout", "timeout"),
    "stops within its head": Fault(_hangs_within_its_head, 504, "Timeout", "timeout"),
}


def errors(sekisho: Besieged, kind: str, cluster: str = "scripted") -> float:
    line = f'sekisho_upstream_errors_total{{cluster="{cluster}",kind="{kind}"}}'
    return sekisho.metric(line)


def logged(sekisho: Besieged, answer: Answer) -> dict[str, object]:
    """The access log's line of the request that got this answer."""
    return logged_as(sekisho, answer.headers["X-Request-Id"])


def logged_as(sekisho: Besieged, request_id: str) -> dict[str, object]:
    until(lambda: f'"request_id": "{request_id}"' in sekisho.log, 20, "a line in the access log")
    lines = [line for line in sekisho.log.splitlines() if f'"request_id": "{request_id}"' in line]
    assert len(lines) == 1
    found: dict[str, object] = json.loads(lines[0])
    return found


def assert_status(answer: Answer, code: int, reason: str, cluster: str = "scripted") -> None:
    """The answer is a Status that names the cluster, and nothing of what lies behind it."""
    assert answer.status == code
    status = answer.json()
    assert (status["kind"], status["code"], status["reason"]) == ("Status", code, reason)
    assert f'cluster "{cluster}"' in status["message"]
    assert not re.search(r"127\.0\.0\.1|localhost|:\d\d|Errno|Error\(|\[", status["message"])


@pytest.mark.parametrize("fault", FAULTS.values(), ids=list(FAULTS))
def test_a_master_that_fails_becomes_a_status_that_says_how(
    sekisho: Besieged, scripted: ScriptedMaster, fault: Fault
) -> None:
    scripted.scripts["/broken"] = fault.script
    before = errors(sekisho, fault.kind)
    answer = sekisho.ask("GET", f"{CLUSTER}/broken", token=sekisho.root)
    assert_status(answer, fault.code, fault.reason)
    assert errors(sekisho, fault.kind) == before + 1
    line = logged(sekisho, answer)
    assert (line["code"], line["cluster"]) == (fault.code, "scripted")
    assert str(line["note"]).startswith('cluster "scripted": ')
    # The cluster serves the next request as if nothing had been.
    assert sekisho.ask("GET", f"{CLUSTER}/fine", token=sekisho.root).status == 200


LENGTH = HEAD + b"Content-Length: 10\r\n\r\nhello"
CHUNK = HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"


async def _tls_cut(asked: Asked) -> None:
    """FIN without TLS's own goodbye, as an attacker in between might send it."""
    asked.writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
    await asked.hang()


BREAKS: dict[str, tuple[bytes, Script]] = {
    "a length that isn't reached": (LENGTH, saying()),
    "no last chunk": (CHUNK, saying()),
    "half a chunk": (CHUNK, saying(b"10\r\nhalf")),
    "a reset": (CHUNK, _resets),
    "a cut below TLS": (CHUNK, _tls_cut),
    "garbage for a chunk": (CHUNK, saying(b"garbage\r\n")),
}


@pytest.mark.parametrize(("begin", "end"), BREAKS.values(), ids=list(BREAKS))
def test_an_answer_that_breaks_off_looks_broken_to_the_client_and_is_counted(
    sekisho: Besieged, scripted: ScriptedMaster, begin: bytes, end: Script
) -> None:
    begun = threading.Event()

    async def script(asked: Asked) -> None:
        await asked.say(begin)
        await asyncio.to_thread(begun.wait, 30)
        await end(asked)

    scripted.scripts["/broken"] = script
    before = errors(sekisho, "truncated")
    with sekisho.asking("GET", f"{CLUSTER}/broken") as answer:
        assert answer.read(5) == b"hello"
        begun.set()
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            answer.read()
    line = logged_as(sekisho, answer.headers["X-Request-Id"])
    assert (line["code"], line["note"]) == (200, "the cluster broke off its answer")
    assert errors(sekisho, "truncated") == before + 1
    assert sekisho.ask("GET", f"{CLUSTER}/fine", token=sekisho.root).status == 200


def test_an_answer_without_a_length_ends_where_its_connection_does(
    sekisho: Besieged, scripted: ScriptedMaster
) -> None:
    scripted.scripts["/plain"] = saying(HEAD + b"\r\nhello")
    before = errors(sekisho, "truncated")
    assert sekisho.ask("GET", f"{CLUSTER}/plain", token=sekisho.root).body == b"hello"
    assert errors(sekisho, "truncated") == before


def test_a_log_that_says_nothing_for_long_may_be_followed(
    sekisho: Besieged, scripted: ScriptedMaster
) -> None:
    """A kubelet sends the head with the first line, so there is no limit to when it comes."""

    async def script(asked: Asked) -> None:
        # Longer than the three seconds in which other answers must begin.
        await asyncio.sleep(6)
        await answering(b"at last")(asked)

    path = "/api/v1/namespaces/n/pods/p/log"
    scripted.scripts[path] = script
    answer = sekisho.ask("GET", f"{CLUSTER}{path}?follow=true", token=sekisho.root)
    assert (answer.status, answer.body) == (200, b"at last")


def test_a_write_whose_answer_is_lost_is_never_sent_again(
    sekisho: Besieged, scripted: ScriptedMaster
) -> None:
    assert sekisho.ask("GET", f"{CLUSTER}/fine", token=sekisho.root).status == 200
    scripted.scripts["/write"] = _resets
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = sekisho.ask(method, f"{CLUSTER}/write", token=sekisho.root, body={})
        assert_status(answer, 502, "BadGateway")
        assert scripted.asked.count(f"{method} /write") == 1


def test_a_client_that_leaves_during_its_upload_leaves_nothing(
    sekisho: Besieged, scripted: ScriptedMaster
) -> None:
    got = threading.Event()

    async def script(asked: Asked) -> None:
        got.set()
        await asked.hang()

    scripted.scripts["/upload"] = script
    with sekisho.connected() as client:
        client.sendall(
            f"POST {CLUSTER}/upload HTTP/1.1\r\nHost: g\r\nContent-Length: 1000000\r\n"
            f"Authorization: Bearer {sekisho.root}\r\n\r\nsome".encode()
        )
        assert got.wait(20)
        assert sekisho.metric("sekisho_requests_in_flight") == 1
    until(lambda: sekisho.metric("sekisho_requests_in_flight") == 0, 20)


def test_a_master_that_answers_before_the_upload_is_complete_is_heard(
    sekisho: Besieged, scripted: ScriptedMaster
) -> None:
    scripted.scripts["/upload"] = saying(
        b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno"
    )
    with sekisho.connected() as client:
        client.sendall(
            f"POST {CLUSTER}/upload HTTP/1.1\r\nHost: g\r\nContent-Length: 1000000\r\n"
            f"Authorization: Bearer {sekisho.root}\r\n\r\nsome".encode()
        )
        assert client.recv(65536).startswith(b"HTTP/1.1 413")
