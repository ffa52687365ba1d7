"""Helpers for tests with a proxy in front of two upstreams that record every byte."""

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.support import waiting
from tests.support.recording_upstream import RecordedRequest, RecordingUpstream
from tests.support.sekisho import PASSWORD, Sekisho
from tests.support.wire import RawResponse, Wire

REQUEST_ID = "security-test-0001"
SENTINEL = b"/sentinel"


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    """Return once ``condition`` holds. Raises AssertionError after ``seconds``."""
    waiting.wait_until(condition, seconds)


@dataclass
class World:
    """The proxy, its two upstreams, and its users with their tokens."""

    sekisho: Sekisho
    a: RecordingUpstream
    b: RecordingUpstream
    users: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    clusters: dict[str, str] = field(default_factory=dict)

    def connect(self) -> Wire:
        """Open a client connection."""
        return Wire(self.sekisho.port, self.sekisho.folder / "data" / "tls" / "ca.crt")

    def head(
        self,
        *lines: bytes,
        user: str | None = "alice",
        method: bytes = b"GET",
        target: bytes = b"/k8s/clusters/a/api",
        version: bytes = b"HTTP/1.1",
    ) -> bytes:
        """Return a request head with ``lines``, the user's token and the fixed request id."""
        standard = [b"Host: gate", b"X-Request-Id: " + REQUEST_ID.encode()]
        if user is not None:
            standard.append(b"Authorization: Bearer " + self.tokens[user].encode())
        return b"\r\n".join([b"%b %b %b" % (method, target, version), *standard, *lines, b"", b""])

    def send(self, request: bytes) -> RawResponse:
        """Send ``request`` on a new connection and return the response."""
        with self.connect() as wire:
            wire.send(request)
            return wire.read_response()

    def identity(self, user: str = "alice", *groups: str) -> list[bytes]:
        """Return the impersonation headers that the proxy sets for a user."""
        user_id = self.users[user]
        admin = ["sekisho:administrators"] if user == "root" else []
        return [
            f"Impersonate-User: {user_id}".encode(),
            f"Impersonate-Uid: {user_id}".encode(),
            *(
                f"Impersonate-Group: {group}".encode()
                for group in (*groups, *admin, "system:authenticated", "sekisho:authenticated")
            ),
            f"Impersonate-Extra-Username: {user}".encode(),
            f"Impersonate-Extra-Principalid: local://{user_id}".encode(),
        ]

    def expected_head(
        self,
        *passed: bytes,
        user: str = "alice",
        method: bytes = b"GET",
        target: bytes = b"/api",
        framing: tuple[bytes, ...] = (),
        identity: list[bytes] | None = None,
        upstream: RecordingUpstream | None = None,
        request_id: bytes = REQUEST_ID.encode(),
    ) -> bytes:
        """Return the head that the upstream must receive, byte for byte."""
        upstream = upstream or self.a
        lines = [
            b"%b %b HTTP/1.1" % (method, target),
            f"Host: 127.0.0.1:{upstream.port}".encode(),
            *passed,
            f"Authorization: Bearer {upstream.token}".encode(),
            *framing,
            b"X-Forwarded-For: 127.0.0.1",
            *(self.identity(user) if identity is None else identity),
            b"Impersonate-Extra-Requestid: " + request_id,
        ]
        return b"\r\n".join([*lines, b"", b""])

    def only_request(self, upstream: RecordingUpstream | None = None) -> RecordedRequest:
        """Return the only request that an upstream received. Fails if any other byte arrived."""
        upstream = upstream or self.a
        [recorded] = self._arrived(upstream)
        assert recorded == upstream.requests()[0]
        return recorded

    def assert_nothing_received(self) -> None:
        """Assert that neither upstream received a byte, not even one still on its way."""
        assert self._arrived(self.a) == self._arrived(self.b) == []
        assert self.a.reviews() == self.b.reviews() == []
        self.a.clear_recording()
        self.b.clear_recording()

    def _arrived(self, upstream: RecordingUpstream) -> list[RecordedRequest]:
        """Return the requests that arrived before a sentinel request sent now.

        Fails if a connection carried bytes that belong to no request.
        """
        name = b"a" if upstream is self.a else b"b"
        response = self.send(self.head(user="root", target=b"/k8s/clusters/" + name + SENTINEL))
        assert response.status == 200
        recorded = [one for one in upstream.recorded if one.target != SENTINEL]
        for number, raw in upstream.received_bytes.items():
            complete = b"".join(one.raw for one in upstream.recorded if one.connection == number)
            assert complete == raw or not raw, "bytes arrived that belong to no request"
        return [one for one in recorded if one in upstream.requests()]

    def sign_in(self, user: str) -> tuple[bytes, bytes]:
        """Sign in as a browser does; return the Cookie header line and the CSRF token."""
        body = {"username": user, "password": PASSWORD, "session": True}
        response = self.sekisho.request("POST", "/v1/login/local", body=body)
        assert response.status == 200
        cookie = response.headers["Set-Cookie"].partition(";")[0]
        me = self.sekisho.request("GET", "/v1/me", headers={"Cookie": cookie}).json()
        return b"Cookie: " + cookie.encode(), str(me["csrf_token"]).encode()

    def create_token(self, user: str, **options: object) -> str:
        """Create and return another token of ``user``."""
        response = self.sekisho.request("POST", "/v1/tokens", token=self.tokens[user], body=options)
        assert response.status == 201, response.body
        return str(response.json()["token"])
