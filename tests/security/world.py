"""What tests do with a gate in front of two upstreams that keep every byte they get."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.parts.recording_upstream import RecordingUpstream, Seen
from tests.parts.sekisho import PASSWORD, Sekisho
from tests.parts.wire import Reply, Wire

REQUEST_ID = "security-test-0001"
SENTINEL = b"/sentinel"


def until(condition: Callable[[], bool], seconds: float) -> None:
    """Return once it is so. Raises AssertionError where it isn't in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


@dataclass
class World:
    """The gate, what is behind it, and who is in front of it."""

    sekisho: Sekisho
    a: RecordingUpstream
    b: RecordingUpstream
    users: dict[str, str] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    clusters: dict[str, str] = field(default_factory=dict)

    def wire(self) -> Wire:
        """A client's connection."""
        return Wire(self.sekisho.port, self.sekisho.folder / "data" / "tls" / "ca.crt")

    def head(
        self,
        *lines: bytes,
        user: str | None = "alice",
        method: bytes = b"GET",
        target: bytes = b"/k8s/clusters/a/api",
        version: bytes = b"HTTP/1.1",
    ) -> bytes:
        """A request's head with those lines, by a user, under the id that the tests know."""
        ours = [b"Host: gate", b"X-Request-Id: " + REQUEST_ID.encode()]
        if user is not None:
            ours.append(b"Authorization: Bearer " + self.tokens[user].encode())
        return b"\r\n".join([b"%b %b %b" % (method, target, version), *ours, *lines, b"", b""])

    def ask(self, request: bytes) -> Reply:
        """The answer to those bytes, on a connection of their own."""
        with self.wire() as wire:
            wire.send(request)
            return wire.reply()

    def identity(self, user: str = "alice", *groups: str) -> list[bytes]:
        """The lines that a user's requests are stamped with."""
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

    def expected(
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
        """All that an upstream should get of a request's head, byte for byte."""
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

    def only(self, upstream: RecordingUpstream | None = None) -> Seen:
        """The one request that arrived at all, at that upstream; no other byte did anywhere."""
        upstream = upstream or self.a
        [seen] = self._arrived(upstream)
        assert seen == upstream.asked()[0]
        return seen

    def nothing_arrived(self) -> None:
        """Neither upstream has got a byte: not now, and not once what was on its way is there."""
        assert self._arrived(self.a) == self._arrived(self.b) == []
        assert self.a.reviews() == self.b.reviews() == []
        self.a.forget()
        self.b.forget()

    def _arrived(self, upstream: RecordingUpstream) -> list[Seen]:
        """What arrived before a request that is sent now; every byte is part of one."""
        name = b"a" if upstream is self.a else b"b"
        reply = self.ask(self.head(user="root", target=b"/k8s/clusters/" + name + SENTINEL))
        assert reply.status == 200
        seen = [one for one in upstream.seen if one.target != SENTINEL]
        for number, raw in upstream.raw.items():
            mine = b"".join(one.bytes for one in upstream.seen if one.connection == number)
            assert mine == raw or not raw, "bytes arrived that are no request"
        return [one for one in seen if one in upstream.asked()]

    def sign_in(self, user: str) -> tuple[bytes, bytes]:
        """A browser's session: its Cookie line, and its CSRF token."""
        body = {"username": user, "password": PASSWORD, "session": True}
        answer = self.sekisho.ask("POST", "/v1/login/local", body=body)
        assert answer.status == 200
        cookie = answer.headers["Set-Cookie"].partition(";")[0]
        me = self.sekisho.ask("GET", "/v1/me", headers={"Cookie": cookie}).json()
        return b"Cookie: " + cookie.encode(), str(me["csrf_token"]).encode()

    def new_token(self, user: str, **options: object) -> str:
        """Another token of a user's."""
        answer = self.sekisho.ask("POST", "/v1/tokens", token=self.tokens[user], body=options)
        assert answer.status == 201, answer.body
        return str(answer.json()["token"])
