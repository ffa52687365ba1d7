"""A graceful stop in full: what is told, what may finish, what is cut off, and the exit code."""

import asyncio
import http.client
import json
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

from proxy.certificates import KeyPair
from tests.faults.conftest import Besieged
from tests.parts.scripted_master import Asked, ScriptedMaster, answering, issue
from tests.parts.vitals import until

CLUSTER = "/k8s/clusters/scripted"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
EVENT = b'{"type":"ADDED"}\n'


Start = Callable[..., AbstractContextManager[Besieged]]


@pytest.fixture
def master(authority: KeyPair) -> Iterator[ScriptedMaster]:
    with ScriptedMaster(issue(authority)) as master:
        yield master


@pytest.fixture(params=["1", "2"], ids=["alone", "two workers"])
def running(
    request: pytest.FixtureRequest,
    prepared: Besieged,
    master: ScriptedMaster,
    authority: KeyPair,
    tmp_path: Path,
) -> Start:
    """Starts a Sekisho of a test's own, killed at the end if it still runs."""

    @contextmanager
    def start(**environment: str) -> Iterator[Besieged]:
        sekisho = prepared.copy(tmp_path, **environment, SEKISHO_SERVER__WORKERS=request.param)
        sekisho.put_cluster("scripted", [master.url], authority.certificate_pem)
        sekisho.start()
        try:
            yield sekisho
        finally:
            assert sekisho.process is not None
            sekisho.process.kill()
            sekisho.process.wait()

    return start


def terminate(sekisho: Besieged) -> "subprocess.Popen[str]":
    assert sekisho.process is not None
    sekisho.process.send_signal(signal.SIGTERM)
    return sekisho.process


def ready(sekisho: Besieged) -> int:
    """What the metrics listener says to a probe."""
    try:
        url = f"http://127.0.0.1:{sekisho.metrics_port}/readyz"
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as exc:
        return exc.code


def refuses(sekisho: Besieged) -> bool:
    try:
        socket.create_connection(("127.0.0.1", sekisho.port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


class Slow:
    """A script that answers when it is let: ``asked`` and ``let``."""

    def __init__(self) -> None:
        self.asked, self.let = threading.Event(), threading.Event()

    async def __call__(self, asked: Asked) -> None:
        self.asked.set()
        while not self.let.is_set():
            await asyncio.sleep(0.02)
        await answering(b"done")(asked)


def test_a_stop_is_told_takes_nobody_new_and_lets_requests_finish(
    running: Start, master: ScriptedMaster
) -> None:
    slow = Slow()
    master.scripts["/slow"] = slow
    limits = {"SEKISHO_GATE__RESPONSE_HEAD_TIMEOUT": "60s"}
    with running(**limits) as sekisho:
        answers: list[bytes] = []
        path = f"{CLUSTER}/slow"
        asking = threading.Thread(
            target=lambda: answers.append(sekisho.ask("GET", path, token=sekisho.root).body)
        )
        asking.start()
        assert slow.asked.wait(20)
        assert ready(sekisho) == 200
        process = terminate(sekisho)
        until(lambda: ready(sekisho) == 503, 10)
        until(lambda: refuses(sekisho), 10)
        assert process.poll() is None
        slow.let.set()
        asking.join(20)
        assert answers == [b"done"]
        assert process.wait(20) == 0
    assert '"stopped"' in sekisho.log


def test_what_does_not_finish_in_time_is_cut_off_and_the_exit_code_is_0(
    running: Start, master: ScriptedMaster
) -> None:
    master.scripts["/slow"] = Slow()
    master.scripts["/endless"] = endless

    limits = {
        "SEKISHO_SERVER__SHUTDOWN_GRACE_SECONDS": "4",
        "SEKISHO_GATE__RESPONSE_HEAD_TIMEOUT": "60s",
    }
    with running(**limits) as sekisho:
        with (
            sekisho.asking("GET", f"{CLUSTER}/endless") as stream,
            sekisho.connected() as waiting,
        ):
            assert stream.read(4) == b"tick"
            waiting.sendall(request(sekisho, f"{CLUSTER}/slow"))
            until(lambda: sekisho.metric("sekisho_requests_in_flight") == 2, 20)
            started = time.monotonic()
            process = terminate(sekisho)
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                stream.read()
            lasted = time.monotonic() - started
            assert process.wait(30) == 0
            assert waiting.recv(1) == b"", "no half answer"
        assert 3 < lasted < 7, "the grace, and not twice"
        lines = [json.loads(line) for line in sekisho.log.splitlines() if '"request"' in line]
        cut = {line["path"] for line in lines if line["path"].endswith(("/slow", "/endless"))}
        assert len(cut) == 2, "both are told in the access log"


def test_no_grace_is_no_grace(running: Start, master: ScriptedMaster) -> None:
    master.scripts["/endless"] = endless
    limits = {"SEKISHO_SERVER__SHUTDOWN_GRACE_SECONDS": "0"}
    with (
        running(**limits) as sekisho,
        sekisho.asking("GET", f"{CLUSTER}/endless") as stream,
    ):
        assert stream.read(4) == b"tick"
        assert terminate(sekisho).wait(20) == 0


def test_watches_end_cleanly_at_a_stop_and_idle_connections_at_once(
    running: Start, master: ScriptedMaster
) -> None:
    path = "/api/v1/pods"
    master.scripts[path] = watching
    limits = {"SEKISHO_SERVER__SHUTDOWN_GRACE_SECONDS": "20"}
    with (
        running(**limits) as sekisho,
        sekisho.asking("GET", f"{CLUSTER}{path}?watch=true") as watch,
        sekisho.connected() as idle,
    ):
        assert watch.readline() == EVENT
        idle.sendall(request(sekisho, f"{CLUSTER}/fine"))
        assert idle.recv(65536).startswith(b"HTTP/1.1 200")
        process = terminate(sekisho)
        assert watch.read() == b"", "no error: the last chunk has come"
        until(lambda: idle.recv(65536) == b"", 10)
        assert process.wait(15) == 0


def test_a_second_signal_ends_at_once(running: Start, master: ScriptedMaster) -> None:
    master.scripts["/endless"] = endless
    limits = {"SEKISHO_SERVER__SHUTDOWN_GRACE_SECONDS": "600"}
    with (
        running(**limits) as sekisho,
        sekisho.asking("GET", f"{CLUSTER}/endless") as stream,
    ):
        assert stream.read(4) == b"tick"
        process = terminate(sekisho)
        until(lambda: ready(sekisho) == 503, 10)
        assert process.poll() is None
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == -signal.SIGTERM


def test_a_frozen_store_does_not_hold_up_a_stop(running: Start, master: ScriptedMaster) -> None:
    with running() as sekisho:
        assert sekisho.ask("GET", f"{CLUSTER}/fine", token=sekisho.root).status == 200
        lock = sqlite3.connect(sekisho.folder / "data" / "sekisho.db", isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        try:
            assert terminate(sekisho).wait(40) == 0
        finally:
            lock.close()
        assert "last uses not written" in sekisho.log


def request(sekisho: Besieged, path: str) -> bytes:
    head = f"GET {path} HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer {sekisho.root}\r\n\r\n"
    return head.encode()


async def endless(asked: Asked) -> None:
    """One piece after the other, now and then."""
    await asked.say(CHUNKED)
    while True:
        await asked.say(b"4\r\ntick\r\n")
        await asyncio.sleep(0.1)


async def watching(asked: Asked) -> None:
    """A watch with one event, and then nothing."""
    await asked.say(CHUNKED, b"%x\r\n%b\r\n" % (len(EVENT), EVENT))
    await asked.hang()
