"""API servers that cannot be reached or verified, and networks that fail."""

import asyncio
import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path

import pytest

from proxy.demo.binaries import Binaries
from proxy.transport.certificates import KeyPair
from tests.faults.conftest import FaultSekisho
from tests.faults.test_broken_answers import assert_status, errors, logged
from tests.support.fault_proxy import FaultProxy, flipped
from tests.support.kubernetes import kubectl
from tests.support.loop_thread import LoopThread
from tests.support.scripted_api_server import (
    ReceivedRequest,
    ScriptedApiServer,
    issue,
    make_authority,
)
from tests.support.sekisho import free_port
from tests.support.waiting import wait_until, within

PROXIED = "/k8s/clusters/proxied"
NAMESPACES = f"{PROXIED}/api/v1/namespaces"


@contextmanager
def silent() -> Iterator[str]:
    """Listen on a port that accepts connections and sends nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield f"https://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def plain() -> Iterator[str]:
    """Respond as a web server without TLS does to a TLS client."""

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
    with ScriptedApiServer(certificate) as api_server:
        yield api_server.url


StartApiServer = Callable[[KeyPair], AbstractContextManager[str]]

UNREACHABLE: dict[str, tuple[StartApiServer, str]] = {
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


UNIFORM = 'cluster "unreachable": the API server can\'t be reached'


@pytest.mark.parametrize(("api_server", "kind"), UNREACHABLE.values(), ids=list(UNREACHABLE))
def test_unreachable_api_server_gives_one_response_and_the_log_has_the_reason(
    sekisho: FaultSekisho, authority: KeyPair, api_server: StartApiServer, kind: str
) -> None:
    with api_server(authority) as url:
        sekisho.put_cluster("unreachable", [url], authority.certificate_pem)

        def is_reported() -> bool:
            before = errors(sekisho, kind, "unreachable")
            answer = sekisho.request("GET", "/k8s/clusters/unreachable/api", token=sekisho.root)
            if errors(sekisho, kind, "unreachable") == before:
                return False  # The server has not loaded the change yet.
            assert_status(answer, 503, "ServiceUnavailable", "unreachable")
            assert answer.json()["message"] == UNIFORM
            entry = logged(sekisho, answer)
            assert entry["status"] == 503
            assert entry["reason"] != UNIFORM
            return True

        wait_until(is_reported, 30)


def test_kubectl_reports_soon_that_a_cluster_is_down(
    sekisho: FaultSekisho, authority: KeyPair, kubernetes_assets: Binaries, tmp_path: Path
) -> None:
    """kubectl waits for each Retry-After, up to ten times per request."""
    sekisho.put_cluster("down", [f"https://127.0.0.1:{free_port()}"], authority.certificate_pem)
    wait_until(lambda: sekisho.knows("down"), 30)

    def waits() -> str | None:
        answer = sekisho.request("GET", "/k8s/clusters/down/api", token=sekisho.root)
        assert_status(answer, 503, "ServiceUnavailable", "down")
        return answer.headers.get("Retry-After")

    assert waits() in {"1", None}
    wait_until(lambda: waits() is None, 30)
    config = tmp_path / "config"
    config.write_text(sekisho.prepare("admin", "kubeconfig", "down", "--user", "root"))
    with within(15):
        done = kubectl(config, "get", "pods", timeout=300)
    assert done.returncode != 0
    assert 'cluster "down": the API server can\'t be reached' in done.stderr, "as a warning"


def test_slow_network_only_slows_responses(sekisho: FaultSekisho, proxied: FaultProxy) -> None:
    proxied.delay(0.1)
    proxied.throttle(50_000)
    answer = sekisho.request("GET", NAMESPACES, token=sekisho.root)
    assert answer.json()["kind"] == "NamespaceList"


def test_silent_connection_is_closed_and_the_next_request_succeeds(
    sekisho: FaultSekisho, proxied: FaultProxy
) -> None:
    assert sekisho.request("GET", NAMESPACES, token=sekisho.root).status == 200
    before = errors(sekisho, "timeout", "proxied")
    proxied.stall()
    answer = sekisho.request("GET", NAMESPACES, token=sekisho.root)
    assert_status(answer, 504, "Timeout", "proxied")
    assert errors(sekisho, "timeout", "proxied") == before + 1
    proxied.clear_faults()
    assert sekisho.request("GET", NAMESPACES, token=sekisho.root).status == 200


@pytest.mark.parametrize("rst", [True, False], ids=["reset", "closed"])
def test_idle_connections_closed_by_the_peer_fail_no_reads(
    sekisho: FaultSekisho, proxied: FaultProxy, rst: bool
) -> None:
    for _ in range(3):
        assert sekisho.request("GET", NAMESPACES, token=sekisho.root).status == 200
        proxied.cut(rst=rst)
    assert sekisho.request("GET", NAMESPACES, token=sekisho.root).status == 200


def test_cluster_that_refuses_connections_recovers(
    sekisho: FaultSekisho, proxied: FaultProxy
) -> None:
    proxied.refuse()
    answer = sekisho.request("GET", NAMESPACES, token=sekisho.root)
    assert_status(answer, 503, "ServiceUnavailable", "proxied")
    proxied.clear_faults()
    assert sekisho.request("GET", NAMESPACES, token=sekisho.root).status == 200


def test_corrupted_data_never_reaches_the_client(
    sekisho: FaultSekisho, proxied: FaultProxy
) -> None:
    """TLS detects one changed bit; the result is an error, however much was valid before."""
    before = errors(sekisho, "tls", "proxied")
    proxied.corrupt(flipped)
    answer = sekisho.request("GET", NAMESPACES, token=sekisho.root)
    assert_status(answer, 503, "ServiceUnavailable", "proxied")
    assert errors(sekisho, "tls", "proxied") == before + 1
    proxied.clear_faults()


def test_response_corrupted_half_way_is_truncated(
    sekisho: FaultSekisho, scripted: ScriptedApiServer, authority: KeyPair
) -> None:
    go_on = threading.Event()

    async def script(received: ReceivedRequest) -> None:
        await received.send(b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\nhello")
        await asyncio.to_thread(go_on.wait, 30)
        await received.send(b"x" * 25)

    scripted.scripts["/long"] = script
    with FaultProxy(scripted.port) as between:
        sekisho.put_cluster("between", [between.url], authority.certificate_pem)
        wait_until(lambda: sekisho.knows("between"), 20)
        with sekisho.open_request("GET", "/k8s/clusters/between/long") as answer:
            assert answer.read(5) == b"hello"
            between.corrupt(flipped)
            go_on.set()
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                answer.read()
    assert errors(sekisho, "truncated", "between") == 1


def test_requests_in_a_stalled_network_all_end_and_leave_nothing_open(
    sekisho: FaultSekisho, proxied: FaultProxy
) -> None:
    proxied.stall()
    with ThreadPoolExecutor(40) as clients:
        answers = list(
            clients.map(
                lambda _: sekisho.request("GET", NAMESPACES, token=sekisho.root).status, range(40)
            )
        )
    assert set(answers) <= {503, 504}
