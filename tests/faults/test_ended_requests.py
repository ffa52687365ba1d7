"""A request whose right ends while it waits for its cluster gets a response that says so."""

import http.client
import json
import socket
import ssl
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from proxy.transport.certificates import KeyPair
from tests.faults.conftest import FaultSekisho
from tests.faults.patient import running_patiently
from tests.support.open_resources import assert_released, idle_resources
from tests.support.scripted_api_server import ReceivedRequest, ScriptedApiServer, issue
from tests.support.waiting import wait_until

CLUSTER = "/k8s/clusters/scripted"
SLOW = "/api/v1/slow"
FINE = f"{CLUSTER}/api/v1/fine"
JSON = "Content-Type: application/json"
UPGRADE = ("Connection: Upgrade", "Upgrade: SPDY/3.1")
REQUESTS = {
    "read": ("GET", SLOW, (), b""),
    "watch": ("GET", f"{SLOW}?watch=1", (), b""),
    "write": ("POST", SLOW, (JSON, "Content-Length: 2"), b"{}"),
    "unfinished write": ("POST", SLOW, (JSON, "Content-Length: 9"), b"{}"),
    "upgrade": ("POST", "/api/v1/namespaces/n/pods/p/exec?command=id", UPGRADE, b""),
}
"""Requests that the cluster does not respond to: method, path, further header lines, body."""


class Silent:
    """A script that does not respond. ``asked`` is set when a request has come."""

    def __init__(self) -> None:
        self.asked = threading.Event()

    async def __call__(self, received: ReceivedRequest) -> None:
        self.asked.set()
        await received.wait_until_closed()


@pytest.fixture(scope="module")
def patient(
    prepared: FaultSekisho, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FaultSekisho]:
    """A Sekisho that waits for its clusters longer than a test takes."""
    folder = tmp_path_factory.mktemp("patient")
    with running_patiently(prepared, folder, connect="10m", response_head="10m") as sekisho:
        yield sekisho


@pytest.fixture(scope="module")
def api_server(authority: KeyPair, patient: FaultSekisho) -> Iterator[ScriptedApiServer]:
    with ScriptedApiServer(issue(authority)) as api_server:
        patient.put_cluster("scripted", [api_server.url], authority.certificate_pem)
        wait_until(lambda: patient.knows("scripted"))
        yield api_server


@pytest.fixture
def sekisho(patient: FaultSekisho) -> Iterator[FaultSekisho]:
    """The patient Sekisho. After the test, assert that nothing is left open in it."""
    before = idle_resources(patient)
    yield patient
    assert_released(before, patient)


@pytest.fixture
def guest(sekisho: FaultSekisho) -> "Guest":
    name = f"guest-{uuid.uuid4().hex[:8]}"
    return Guest(sekisho, name, sekisho.create_user(name))


class Guest:
    """An owner of the cluster, and the ways to end that."""

    def __init__(self, sekisho: FaultSekisho, name: str, user_id: str) -> None:
        self._sekisho, self._name, self._id = sekisho, name, user_id
        self.grant("owner")
        self.token = sekisho.token(name)
        wait_until(lambda: sekisho.request("GET", FINE, token=self.token).status == 200)

    def grant(self, role: str) -> None:
        """Give the user this role and no other."""
        self._sekisho.prepare(
            "admin", "cluster", "grant", "scripted", "--user", self._name, "--role", role
        )

    def revoke(self) -> None:
        """Take the user's role away."""
        self._sekisho.prepare("admin", "cluster", "revoke", "scripted", "--user", self._name)

    def join(self, cluster: str) -> None:
        """Make the user an owner of another cluster."""
        self._sekisho.change(
            "admin", "cluster", "grant", cluster, "--user", self._name, "--role", "owner"
        )

    def short_token(self, lifetime: str) -> str:
        """Create a token that expires soon."""
        return self._sekisho.token(self._name, "--ttl", lifetime)

    def revoke_token(self) -> None:
        """Revoke the user's token."""
        self._sekisho.prepare("admin", "token", "revoke", self.token)

    def disable(self) -> None:
        """Disable the user."""
        self._sekisho.prepare("admin", "user", "disable", self._id)


@dataclass(frozen=True)
class Response:
    """A response. ``repeats``: its client repeats the request by itself."""

    code: int
    request_id: str
    repeats: bool
    status: dict[str, object]

    @property
    def message(self) -> str:
        return str(self.status["message"])


def head(method: str, path: str, token: str, *lines: str) -> bytes:
    first = [f"{method} {path} HTTP/1.1", "Host: g", f"Authorization: Bearer {token}"]
    return ("\r\n".join([*first, *lines]) + "\r\n\r\n").encode()


def response_on(connection: ssl.SSLSocket) -> Response:
    """Read a response, and leave the connection open."""
    response = http.client.HTTPResponse(connection)
    response.begin()
    content = json.loads(response.read())
    repeats = response.getheader("Retry-After") is not None
    return Response(response.status, response.headers["X-Request-Id"], repeats, content)


@contextmanager
def waiting(
    sekisho: FaultSekisho,
    api_server: ScriptedApiServer,
    token: str,
    name: str,
    *,
    reused: bool = False,
) -> Iterator[ssl.SSLSocket]:
    """Send a request that waits for the cluster; yield its connection.

    The fast path takes requests of known callers on connections that are ``reused``.
    """
    silent = Silent()
    method, path, lines, body = REQUESTS[name]
    api_server.scripts[path.partition("?")[0]] = silent
    with sekisho.connected() as connection:
        if reused:
            connection.sendall(head("GET", FINE, token))
            assert response_on(connection).code == 200
        connection.sendall(head(method, f"{CLUSTER}{path}", token, *lines) + body)
        assert silent.asked.wait(120)
        yield connection


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("reused", [False, True], ids=["a new connection", "a reused connection"])
def test_waiting_request_is_answered_when_its_token_is_revoked(
    sekisho: FaultSekisho, api_server: ScriptedApiServer, guest: Guest, name: str, *, reused: bool
) -> None:
    with waiting(sekisho, api_server, guest.token, name, reused=reused) as connection:
        guest.revoke_token()
        response = response_on(connection)
    assert response.code == response.status["code"] == 401
    assert response.status["kind"] == "Status"
    assert "revoked" in response.message
    assert ("may have carried out" in response.message) == (REQUESTS[name][0] == "POST")
    logged = logged_request(sekisho, response.request_id)
    assert logged["status"] == 401
    assert logged["reason"] == "the token was revoked, or its user disabled"


def logged_request(sekisho: FaultSekisho, request_id: str) -> dict[str, object]:
    """Return the line of a request in the access log."""

    def lines() -> list[str]:
        return [line for line in sekisho.log.splitlines() if request_id in line]

    wait_until(lambda: bool(lines()), what="the line in the access log")
    (line,) = lines()
    return dict(json.loads(line))


@pytest.mark.parametrize("reused", [False, True], ids=["a new connection", "a reused connection"])
@pytest.mark.parametrize("name", REQUESTS)
def test_waiting_request_is_answered_when_its_role_changes(
    sekisho: FaultSekisho, api_server: ScriptedApiServer, guest: Guest, name: str, *, reused: bool
) -> None:
    with waiting(sekisho, api_server, guest.token, name, reused=reused) as connection:
        guest.grant("read-only")
        response = response_on(connection)
    assert response.code == 503
    assert "rights have changed" in response.message
    # kubectl would repeat a write with Retry-After, though the cluster may have carried it out.
    assert response.repeats == (REQUESTS[name][0] == "GET")


@pytest.mark.parametrize("reused", [False, True], ids=["a new connection", "a reused connection"])
def test_waiting_request_is_answered_when_its_user_is_disabled_or_removed_from_the_cluster(
    sekisho: FaultSekisho, api_server: ScriptedApiServer, guest: Guest, *, reused: bool
) -> None:
    with waiting(sekisho, api_server, guest.token, "read", reused=reused) as connection:
        guest.revoke()
        assert response_on(connection).code in {404, 503}
    guest.grant("owner")
    wait_until(lambda: sekisho.request("GET", FINE, token=guest.token).status == 200)
    with waiting(sekisho, api_server, guest.token, "read", reused=reused) as connection:
        guest.disable()
        assert response_on(connection).code == 401


@pytest.mark.parametrize("reused", [False, True], ids=["a new connection", "a reused connection"])
def test_connection_continues_after_a_waiting_request_was_answered(
    sekisho: FaultSekisho, api_server: ScriptedApiServer, guest: Guest, *, reused: bool
) -> None:
    with waiting(sekisho, api_server, guest.token, "read", reused=reused) as connection:
        guest.revoke_token()
        assert response_on(connection).code == 401
        connection.sendall(head("GET", FINE, sekisho.root))
        assert response_on(connection).code == 200


def test_request_that_waits_for_a_connection_is_answered_when_its_token_is_revoked(
    sekisho: FaultSekisho, guest: Guest, authority: KeyPair
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        # It never accepts: the kernel completes connections, and no TLS handshake follows.
        url = f"https://127.0.0.1:{deaf.getsockname()[1]}"
        sekisho.put_cluster("deaf", [url], authority.certificate_pem)
        guest.join("deaf")
        with sekisho.connected() as connection:
            connection.sendall(head("GET", "/k8s/clusters/deaf/api", guest.token))
            wait_until(lambda: sekisho.metric("sekisho_requests_in_flight") == 1)
            guest.revoke_token()
            assert response_on(connection).code == 401


def test_waiting_request_is_answered_when_its_token_expires(
    sekisho: FaultSekisho, api_server: ScriptedApiServer, guest: Guest
) -> None:
    token = guest.short_token("15s")
    with waiting(sekisho, api_server, token, "read") as connection:
        response = response_on(connection)
    assert response.code == 401
    assert "ended" in response.message
