"""Graceful stops: readiness, requests that finish or are aborted, and the exit code."""

import asyncio
import http.client
import os
import signal
import socket
import sqlite3
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from proxy.transport.certificates import KeyPair
from tests.faults.conftest import FaultSekisho
from tests.support.log_lines import events_of
from tests.support.scripted_api_server import (
    ReceivedRequest,
    ScriptedApiServer,
    issue,
    respond_json,
)
from tests.support.waiting import wait_until, within

CLUSTER = "/k8s/clusters/scripted"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b'{"type":"ADDED"}\n'


Start = Callable[..., AbstractContextManager[FaultSekisho]]


@pytest.fixture
def api_server(authority: KeyPair) -> Iterator[ScriptedApiServer]:
    with ScriptedApiServer(issue(authority)) as api_server:
        yield api_server


@pytest.fixture(params=["1", "2"], ids=["alone", "two workers"])
def running(
    request: pytest.FixtureRequest,
    prepared: FaultSekisho,
    api_server: ScriptedApiServer,
    authority: KeyPair,
    tmp_path: Path,
) -> Start:
    """Start a separate Sekisho; kill it at the end if it still runs."""

    @contextmanager
    def start(**environment: str) -> Iterator[FaultSekisho]:
        sekisho = prepared.copy(tmp_path, **environment, SEKISHO_SERVER__WORKERS=request.param)
        sekisho.put_cluster("scripted", [api_server.url], authority.certificate_pem)
        sekisho.start()
        try:
            yield sekisho
        finally:
            assert sekisho.process is not None
            sekisho.process.kill()
            sekisho.process.wait()

    return start


def terminate(sekisho: FaultSekisho) -> "subprocess.Popen[str]":
    assert sekisho.process is not None
    sekisho.process.send_signal(signal.SIGTERM)
    return sekisho.process


def ready(sekisho: FaultSekisho) -> int:
    """Return the metrics listener's response to a probe."""
    try:
        url = f"http://127.0.0.1:{sekisho.metrics_port}/readyz"
        with urllib.request.urlopen(url, timeout=120) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as exc:
        return exc.code


def refuses(sekisho: FaultSekisho) -> bool:
    try:
        socket.create_connection(("127.0.0.1", sekisho.port), 120).close()
    except ConnectionRefusedError:
        return True
    return False


class Slow:
    """A script that answers when it is let: ``asked`` and ``let``."""

    def __init__(self) -> None:
        self.asked, self.let = threading.Event(), threading.Event()

    async def __call__(self, received: ReceivedRequest) -> None:
        self.asked.set()
        while not self.let.is_set():
            await asyncio.sleep(0.02)
        await respond_json(b"done")(received)


def test_stop_is_announced_refuses_connections_and_lets_requests_finish(
    running: Start, api_server: ScriptedApiServer
) -> None:
    slow = Slow()
    api_server.scripts["/slow"] = slow
    limits = {"SEKISHO_UPSTREAM__RESPONSE_HEAD_TIMEOUT": "60s"}
    with running(**limits) as sekisho:
        answers: list[bytes] = []
        path = f"{CLUSTER}/slow"
        open_request = threading.Thread(
            target=lambda: answers.append(sekisho.request("GET", path, token=sekisho.root).body)
        )
        open_request.start()
        assert slow.asked.wait(120)
        # Not at once if a worker takes more than a second to respond, on a busy machine.
        wait_until(lambda: ready(sekisho) == 200, 10)
        process = terminate(sekisho)
        wait_until(lambda: ready(sekisho) == 503, 10)
        wait_until(lambda: refuses(sekisho), 10)
        assert process.poll() is None
        slow.let.set()
        open_request.join(120)
        assert answers == [b"done"]
        assert process.wait(120) == 0
    assert '"stopped"' in sekisho.log


def test_sighup_ends_no_request_and_no_process(running: Start) -> None:
    with running() as sekisho:
        assert sekisho.process is not None
        pid = sekisho.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        before = children.read_text().split()
        for process in (pid, *map(int, before)):
            os.kill(process, signal.SIGHUP)
        wait_until(lambda: sekisho.log.count("SIGHUP has no effect") == 1 + len(before))
        assert children.read_text().split() == before
        wait_until(lambda: ready(sekisho) == 200, 10)
        assert terminate(sekisho).wait(120) == 0


def test_stop_with_a_delay_is_announced_while_new_connections_are_served(
    running: Start, api_server: ScriptedApiServer
) -> None:
    with running(SEKISHO_SERVER__SHUTDOWN_DELAY="1h") as sekisho:
        terminate(sekisho)
        wait_until(lambda: ready(sekisho) == 503, 60)
        # Each worker when it gets the signal.
        wait_until(lambda: sekisho.request("GET", "/readyz").status == 503, 60)
        assert sekisho.request("GET", "/v1/me", token=sekisho.root).status == 200


def test_requests_unfinished_at_the_stop_deadline_are_aborted_with_exit_code_0(
    running: Start, api_server: ScriptedApiServer
) -> None:
    api_server.scripts["/slow"] = Slow()
    api_server.scripts["/endless"] = endless

    limits = {
        "SEKISHO_SERVER__SHUTDOWN_GRACE_SECONDS": "4",
        "SEKISHO_UPSTREAM__RESPONSE_HEAD_TIMEOUT": "60s",
    }
    with running(**limits) as sekisho:
        with (
            sekisho.open_request("GET", f"{CLUSTER}/endless") as stream,
            sekisho.connected() as waiting,
        ):
            assert stream.read(4) == b"tick"
            waiting.sendall(request(sekisho, f"{CLUSTER}/slow"))
            wait_until(lambda: sekisho.metric("sekisho_requests_in_flight") == 2, 20)
            started = time.monotonic()
            with within(7):  # The grace, and not twice.
                process = terminate(sekisho)
                with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                    stream.read()
            assert time.monotonic() - started > 3, "the grace"
            assert process.wait(120) == 0
            assert waiting.recv(65536).startswith(b"HTTP/1.1 503 "), "a whole response"
            assert waiting.recv(1) == b""
        lines = [one for one in events_of(sekisho.log) if one["event"] == "request"]
        cut = {line["path"] for line in lines if line["path"].endswith(("/slow", "/endless"))}
        assert len(cut) == 2, "both are in the access log"


def test_stop_without_grace_period_aborts_immediately(
    running: Start, api_server: ScriptedApiServer
) -> None:
    api_server.scripts["/endless"] = endless
    limits = {"SEKISHO_SERVER__SHUTDOWN_GRACE_SECONDS": "0"}
    with (
        running(**limits) as sekisho,
        sekisho.open_request("GET", f"{CLUSTER}/endless") as stream,
    ):
        assert stream.read(4) == b"tick"
        assert terminate(sekisho).wait(120) == 0


def test_stop_ends_watches_cleanly_and_idle_connections_immediately(
    running: Start, api_server: ScriptedApiServer
) -> None:
    path = "/api/v1/pods"
    api_server.scripts[path] = watching
    limits = {"SEKISHO_SERVER__SHUTDOWN_GRACE_SECONDS": "20"}
    with (
        running(**limits) as sekisho,
        sekisho.open_request("GET", f"{CLUSTER}{path}?watch=true") as watch,
        sekisho.connected() as idle,
    ):
        assert watch.readline() == EVENT
        idle.sendall(request(sekisho, f"{CLUSTER}/fine"))
        assert idle.recv(65536).startswith(b"HTTP/1.1 200")
        process = terminate(sekisho)
        assert watch.read() == b"", "no error: the last chunk has come"
        wait_until(lambda: idle.recv(65536) == b"", 10)
        assert process.wait(120) == 0


def test_second_signal_stops_immediately(running: Start, api_server: ScriptedApiServer) -> None:
    api_server.scripts["/endless"] = endless
    limits = {"SEKISHO_SERVER__SHUTDOWN_GRACE_SECONDS": "600"}
    with (
        running(**limits) as sekisho,
        sekisho.open_request("GET", f"{CLUSTER}/endless") as stream,
    ):
        assert stream.read(4) == b"tick"
        process = terminate(sekisho)
        wait_until(lambda: ready(sekisho) == 503, 10)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == -signal.SIGTERM


def test_frozen_store_does_not_delay_a_stop(running: Start, api_server: ScriptedApiServer) -> None:
    with running() as sekisho:
        assert sekisho.request("GET", f"{CLUSTER}/fine", token=sekisho.root).status == 200
        lock = sqlite3.connect(sekisho.folder / "data" / "sekisho.db", isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        try:
            assert terminate(sekisho).wait(120) == 0
        finally:
            lock.close()
        assert "last-used update failed" in sekisho.log


def request(sekisho: FaultSekisho, path: str) -> bytes:
    head = f"GET {path} HTTP/1.1\r\nHost: sekisho\r\nAuthorization: Bearer {sekisho.root}\r\n\r\n"
    return head.encode()


async def endless(received: ReceivedRequest) -> None:
    """Send a piece regularly, without end."""
    await received.send(CHUNKED)
    while True:
        await received.send(b"4\r\ntick\r\n")
        await asyncio.sleep(0.1)


async def watching(received: ReceivedRequest) -> None:
    """Respond with a watch of one event, and then nothing."""
    await received.send(CHUNKED, b"%x\r\n%b\r\n" % (len(EVENT), EVENT))
    await received.wait_until_closed()
