"""A master that can't be reached, or not in the right way; and a network that fails in between."""

import asyncio
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta

import pytest

from proxy.certificates import KeyPair
from tests.faults.conftest import Besieged
from tests.faults.test_broken_answers import assert_status, errors, logged
from tests.parts.fault_proxy import FaultProxy, flipped
from tests.parts.loop_thread import LoopThread
from tests.parts.scripted_master import Asked, ScriptedMaster, issue, make_authority
from tests.parts.sekisho import free_port
from tests.parts.vitals import until

PROXIED = "/k8s/clusters/proxied"
NAMESPACES = f"{PROXIED}/api/v1/namespaces"


@contextmanager
def silent() -> Iterator[str]:
    """A port that takes connections, and on which nobody ever says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def plain() -> Iterator[str]:
    """What a web server without TLS says to a client that begins with it."""

    async def complain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\n")
        writer.close()

    with LoopThread() as loop:
        server = loop.call(asyncio.start_server(complain, "127.0.0.1", 0))
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        loop.call(closed(server))


async def closed(server: asyncio.Server) -> None:
    server.close()


@contextmanager
def presenting(certificate: KeyPair) -> Iterator[str]:
    with ScriptedMaster(certificate) as master:
        yield master.url


Master = Callable[[KeyPair], AbstractContextManager[str]]

UNREACHABLE: dict[str, tuple[Master, str]] = {
    "listens not": (lambda _: nullcontext(f"https://127.0.0.1:{free_port()}"), "refused"),
    "has no address": (lambda _: nullcontext("https://nowhere.invalid"), "resolve"),
    "completes no handshake": (lambda _: silent(), "connect_timeout"),
    "speaks no TLS": (lambda _: plain(), "tls"),
    "has another authority's certificate": (
        lambda _: presenting(issue(make_authority())),
        "certificate",
    ),
    "has another's certificate": (
        lambda authority: presenting(issue(authority, name="another.example")),
        "certificate",
    ),
    "has an old certificate": (
        lambda authority: presenting(issue(authority, age=timedelta(days=10))),
        "certificate",
    ),
}


@pytest.mark.parametrize(("master", "kind"), UNREACHABLE.values(), ids=list(UNREACHABLE))
def test_a_master_that_cannot_be_reached_becomes_a_status_that_says_how(
    sekisho: Besieged, authority: KeyPair, master: Master, kind: str
) -> None:
    with master(authority) as url:
        sekisho.put_cluster("unreachable", [url], authority.certificate_pem)

        def told() -> bool:
            before = errors(sekisho, kind, "unreachable")
            answer = sekisho.ask("GET", "/k8s/clusters/unreachable/api", token=sekisho.root)
            if errors(sekisho, kind, "unreachable") == before:
                return False  # The server hasn't heard of the change yet.
            assert_status(answer, 503, "ServiceUnavailable", "unreachable")
            assert int(answer.headers["Retry-After"]) > 0
            assert logged(sekisho, answer)["code"] == 503
            return True

        until(told, 30)


def test_a_slow_network_slows_and_does_no_more(sekisho: Besieged, proxied: FaultProxy) -> None:
    proxied.delay(0.1)
    proxied.throttle(50_000)
    answer = sekisho.ask("GET", NAMESPACES, token=sekisho.root)
    assert answer.json()["kind"] == "NamespaceList"


def test_a_connection_that_goes_silent_is_given_up_and_the_next_works(
    sekisho: Besieged, proxied: FaultProxy
) -> None:
    assert sekisho.ask("GET", NAMESPACES, token=sekisho.root).status == 200
    before = errors(sekisho, "timeout", "proxied")
    proxied.stall()
    answer = sekisho.ask("GET", NAMESPACES, token=sekisho.root)
    assert_status(answer, 504, "Timeout", "proxied")
    assert errors(sekisho, "timeout", "proxied") == before + 1
    proxied.heal()
    assert sekisho.ask("GET", NAMESPACES, token=sekisho.root).status == 200


@pytest.mark.parametrize("rst", [True, False], ids=["reset", "closed"])
def test_connections_that_end_while_they_idle_cost_a_reader_nothing(
    sekisho: Besieged, proxied: FaultProxy, rst: bool
) -> None:
    for _ in range(3):
        assert sekisho.ask("GET", NAMESPACES, token=sekisho.root).status == 200
        proxied.cut(rst=rst)
    assert sekisho.ask("GET", NAMESPACES, token=sekisho.root).status == 200


def test_refused_for_a_while_then_served_again(sekisho: Besieged, proxied: FaultProxy) -> None:
    proxied.refuse()
    answer = sekisho.ask("GET", NAMESPACES, token=sekisho.root)
    assert_status(answer, 503, "ServiceUnavailable", "proxied")
    proxied.heal()
    assert sekisho.ask("GET", NAMESPACES, token=sekisho.root).status == 200


def test_what_is_corrupted_on_the_way_never_reaches_the_client(
    sekisho: Besieged, proxied: FaultProxy
) -> None:
    """TLS notices one bit; what comes of it is an error, however much was fine before."""
    before = errors(sekisho, "tls", "proxied")
    proxied.corrupt(flipped)
    answer = sekisho.ask("GET", NAMESPACES, token=sekisho.root)
    assert_status(answer, 503, "ServiceUnavailable", "proxied")
    assert errors(sekisho, "tls", "proxied") == before + 1
    proxied.heal()


def test_an_answer_that_is_corrupted_half_way_is_cut_there(
    sekisho: Besieged, scripted: ScriptedMaster, authority: KeyPair
) -> None:
    go_on = threading.Event()

    async def script(asked: Asked) -> None:
        await asked.say(b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nhello")
        await asyncio.to_thread(go_on.wait, 30)
        await asked.say(b"x" * 25)

    scripted.scripts["/long"] = script
    with FaultProxy(scripted.port) as between:
        sekisho.put_cluster("between", [between.url], authority.certificate_pem)
        until(lambda: sekisho.knows("between"), 20)
        with sekisho.asking("GET", "/k8s/clusters/between/long") as answer:
            assert answer.read(5) == b"hello"
            between.corrupt(flipped)
            go_on.set()
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                answer.read()
    assert errors(sekisho, "truncated", "between") == 1


def test_many_requests_into_a_stalled_network_all_come_back_and_leave_nothing(
    sekisho: Besieged, proxied: FaultProxy
) -> None:
    proxied.stall()
    with ThreadPoolExecutor(40) as clients:
        answers = list(
            clients.map(
                lambda _: sekisho.ask("GET", NAMESPACES, token=sekisho.root).status, range(40)
            )
        )
    assert set(answers) <= {503, 504}
