"""The gate, whole and in this process, fed with the bytes of a client's connection.

Behind it stands an upstream that reads with a parser of its own, h11, which knows nothing of
llhttp's habits. :meth:`Target.run` raises Violation where what arrives there isn't exactly what the
gate may send, whatever a client said.

The bytes ``<|>`` cut a connection into reads.
"""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from json import loads
from pathlib import Path
from typing import Any

import h11

from proxy.access_review import PATH as REVIEW_PATH
from proxy.app import Running, assembled
from proxy.connection import GateConnection
from proxy.data_dir import open_keyring
from proxy.server_tls import ServerTls
from proxy.startup_settings import load_everything
from store.database import open_store
from store.interfaces import Cluster, CredentialSource, Principal, Store, Token, User
from tests.store.records import let_in

CUT = b"<|>"
USER, NAME, CLUSTER = "u-fuzzfuzzaa", "fuzz", "c-fuzzfuzzaa"
BEARER = "token-fuzzfuzzaa:0123456789012345678901234567890123456789abc"
CREDENTIAL = "service-account-token"
PLAIN = (
    b"GET /k8s/clusters/a/api HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer "
    + BEARER.encode()
    + b"\r\n\r\n"
)
"""A request that passes."""

ALLOWED = {"jane", "dev"}
"""Whom the user may impersonate, and any group, uid or extra of that name."""

_OURS = re.compile(
    rb"(?i)(impersonate|authorization$|host$|x[-_]remote[-_]|x[-_]forwarded[-_]|forwarded$|cookie$"
    rb"|proxy([-_]|$)|te$|trailer$|expect$|keep[-_]alive$|x[-_]csrf[-_]token$|content[-_]length$"
    rb"|transfer[-_]encoding$|connection$|upgrade$|x[-_]request[-_]id$)"
)
_REQUEST_ID = rb"[A-Za-z0-9][A-Za-z0-9._-]{7,63}"


class Violation(Exception):
    """The gate sent what it must not send."""


@dataclass
class Arrived:
    """A request as h11 read it, and whether all of it came."""

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    whole: bool = False


class Upstream(asyncio.Protocol):
    """One connection of the upstream's."""

    def __init__(self, arrived: list[Arrived], problems: list[str]) -> None:
        self._arrived = arrived
        self._problems = problems
        self._parser = h11.Connection(h11.SERVER, max_incomplete_event_size=2**24)
        self._raw = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._raw += data
        self._parser.receive_data(data)
        try:
            while self._read(self._parser.next_event()):
                pass
        except h11.RemoteProtocolError as exc:
            self._problems.append(f"not HTTP to h11: {exc}: {self._raw!r}")
            self._transport.close()

    def _read(self, event: Any) -> bool:
        if isinstance(event, h11.Request):
            raw = list(event.headers.raw_items())
            self._arrived.append(Arrived(event.method, event.target, raw))
        elif isinstance(event, h11.Data):
            self._arrived[-1].body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            if list(event.headers):
                self._problems.append(f"trailers arrived: {self._raw!r}")
            self._arrived[-1].whole = True
            self._answer(self._arrived[-1])
        return not isinstance(event, type | h11.ConnectionClosed)  # NEED_DATA, PAUSED: classes

    def _answer(self, request: Arrived) -> None:
        status, body = 299, b"ok"
        if _is_review(request):
            attributes = loads(request.body)["spec"]["resourceAttributes"]
            yes = attributes.get("name") in ALLOWED
            status, body = 201, b'{"status": {"allowed": %b}}' % (b"true" if yes else b"false")
        parser = self._parser
        headers = [("Content-Length", str(len(body)))]
        out = parser.send(h11.Response(status_code=status, headers=headers)) or b""
        if request.method != b"HEAD":
            out += parser.send(h11.Data(data=body)) or b""
        out += parser.send(h11.EndOfMessage()) or b""
        self._transport.write(out)
        self._raw = b""
        if parser.our_state is h11.DONE and parser.their_state is h11.DONE:
            parser.start_next_cycle()
        else:
            self._transport.close()


class Client(asyncio.Transport):
    """A client's connection without a socket: what the gate writes is kept."""

    def __init__(self, connection: GateConnection) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self._connection = connection
        self._closing = False
        self.written = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if not self._closing:
            self.written += bytes(data)

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            asyncio.get_running_loop().call_soon(self._connection.connection_lost, None)

    abort = close

    def is_closing(self) -> bool:
        return self._closing

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def get_write_buffer_size(self) -> int:
        return 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass


@dataclass
class Target:
    """A running gate. Run one connection at a time.

    ``patience`` is how many seconds a request is waited for that makes no progress: one whose body
    doesn't end, mostly.
    """

    running: Running
    port: int
    patience: float = 10.0
    arrived: list[Arrived] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    async def run(self, data: bytes) -> bytes:
        """Feed a connection; what the client got. Raises Violation."""
        self.arrived.clear()
        self.problems.clear()
        connection = self.running.server()
        client = Client(connection)
        connection.connection_made(client)
        for piece in data.split(CUT):
            if client.is_closing():
                break
            connection.data_received(piece)
            await self._settle(connection, client)
        cut_off = connection._current_request is not None
        client.close()
        await self._settle(connection, client)
        self._check(client.written, cut_off=cut_off)
        return client.written

    async def _settle(self, connection: GateConnection, client: Client) -> None:
        """Return when nothing happens any more, or nothing but waiting for the client."""
        loop = asyncio.get_running_loop()
        before, still, since = (-1, -1, -1), 0, loop.time()
        while still < 20:
            busy = connection._current_request is not None
            await asyncio.sleep(0.0005 if busy and still > 10 else 0)
            bodies = sum(len(one.body) + one.whole for one in self.arrived)
            now = (len(client.written), len(self.arrived), bodies)
            if now != before:
                before, still, since = now, 0, loop.time()
            elif not busy or loop.time() - since > self.patience:
                still += 1

    def _check(self, written: bytes, *, cut_off: bool) -> None:
        if self.problems:
            raise Violation(self.problems[0])
        if b"HTTP/1.1 500 " in written or b"HTTP/1.0 500 " in written:
            raise Violation(f"something failed inside: {written!r}")
        forwarded = [one for one in self.arrived if not _is_review(one)]
        for one in self.arrived:
            _check_request(one, self.port)
        whole = sum(one.whole for one in forwarded)
        told = written.count(b"HTTP/1.1 299 ")
        if not told <= whole <= told + cut_off:
            raise Violation(f"{whole} requests arrived, {told} were answered: {forwarded}")
        if len(forwarded) > told + 1:
            raise Violation(f"more than one request was broken off: {forwarded}")


def _is_review(request: Arrived) -> bool:
    """A review of the gate's own; one that a client sends is stamped."""
    stamped = any(name.lower().startswith(b"impersonate") for name, _ in request.headers)
    return request.target == REVIEW_PATH.encode() and not stamped


def _check_request(request: Arrived, port: int) -> None:
    ours = [(name, value) for name, value in request.headers if _OURS.match(name)]
    by_name: dict[bytes, list[bytes]] = {}
    for name, value in ours:
        if b"_" in name and not name.startswith(b"Impersonate-Extra-"):
            raise Violation(f"{name!r} may be taken for one of the gate's lines: {request}")
        by_name.setdefault(name.lower().replace(b"_", b"-"), []).append(value)
    if by_name.pop(b"authorization", []) != [b"Bearer " + CREDENTIAL.encode()]:
        raise Violation(f"the credential is not the gate's: {request}")
    if by_name.pop(b"host", []) != [b"127.0.0.1:%d" % port]:
        raise Violation(f"the host is not the gate's: {request}")
    _check_framing(request, by_name)
    if _is_review(request):
        _check_review(request)
    else:
        if by_name.pop(b"x-forwarded-for", []) != [b"127.0.0.1"]:
            raise Violation(f"the address is not the client's: {request}")
        _check_identity(request, by_name)
    if by_name:
        raise Violation(f"{sorted(by_name)} must not arrive: {request}")


def _check_framing(request: Arrived, by_name: dict[bytes, list[bytes]]) -> None:
    length = by_name.pop(b"content-length", [])
    encoding = by_name.pop(b"transfer-encoding", [])
    connection, upgrade = by_name.pop(b"connection", []), by_name.pop(b"upgrade", [])
    if len(length) + len(encoding) > 1 or encoding not in ([], [b"chunked"]):
        raise Violation(f"more than one framing: {request}")
    wanted = (connection, [one.lower() for one in upgrade])
    if wanted not in (
        ([], []),
        ([b"Upgrade"], [b"websocket"]),
        ([b"Upgrade"], [b"spdy/3.1"]),
    ):
        raise Violation(f"neither a plain request nor a known upgrade: {request}")
    if upgrade and (length or encoding):
        raise Violation(f"an upgrade with a body: {request}")


def _check_review(request: Arrived) -> None:
    spec = loads(request.body)["spec"]
    if spec["user"] != USER or request.method != b"POST":
        raise Violation(f"a review about somebody else: {request.body!r}")


def _check_identity(request: Arrived, by_name: dict[bytes, list[bytes]]) -> None:
    stamped = [line for line in request.headers if line[0].lower().startswith(b"impersonate")]
    if request.headers[-len(stamped) :] != stamped:
        raise Violation(f"the identity is not last: {request}")
    name, request_id = stamped.pop()
    if name != b"Impersonate-Extra-Requestid" or not re.fullmatch(_REQUEST_ID, request_id):
        raise Violation(f"the request id is not last: {request}")
    if stamped != own_identity() and not _is_allowed_wish(stamped):
        raise Violation(f"somebody else's identity: {request}")
    for name in list(by_name):
        if name.startswith(b"impersonate"):
            del by_name[name]


def own_identity() -> list[tuple[bytes, bytes]]:
    """What the user is stamped with."""
    principal = f"local://{USER}".encode()
    return [
        (b"Impersonate-User", USER.encode()),
        (b"Impersonate-Uid", USER.encode()),
        (b"Impersonate-Group", b"system:authenticated"),
        (b"Impersonate-Group", b"sekisho:authenticated"),
        (b"Impersonate-Extra-Username", NAME.encode()),
        (b"Impersonate-Extra-Principalid", principal),
    ]


def _is_allowed_wish(stamped: list[tuple[bytes, bytes]]) -> bool:
    """Whether this is somebody whom the user may act as, with the user kept in extras."""
    original = [
        (b"Impersonate-Extra-Originaluser", USER.encode()),
        (b"Impersonate-Extra-Originalusername", NAME.encode()),
        (b"Impersonate-Extra-Originalprincipalid", f"local://{USER}".encode()),
    ]
    rest = [line for line in stamped if line not in original]
    return (
        len(stamped) - len(rest) == len(original)
        and rest[:1] == [(b"Impersonate-User", b"jane")]
        and all(value.decode() in ALLOWED for _, value in rest)
        and sum(name in {b"Impersonate-User", b"Impersonate-Uid"} for name, _ in rest) <= 2
    )


@asynccontextmanager
async def target(folder: Path) -> AsyncIterator[Target]:
    """A gate with one user, one token and one cluster, which is ``a`` and an upstream of ours."""
    (folder / "sekisho.yaml").write_text(
        "server: {tls: {plain_http: true}}\ndata_dir: data\n"
        "log: {access: false, level: error}\naudit: {to: none}\n"
        "controllers: {enabled: false}\n"
    )
    everything = load_everything(str(folder / "sekisho.yaml"), {})
    settings = everything.settings
    keyring = open_keyring(settings)
    arrived: list[Arrived] = []
    problems: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: problems.append(f"escaped: {context}"))
    listener = await loop.create_server(lambda: Upstream(arrived, problems), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        store = await open_store(settings.store_url, keyring, upgrade=True)
        stack.push_async_callback(store.close)
        await _fill(store, f"http://127.0.0.1:{port}")
        tls = ServerTls(settings)
        running = await stack.enter_async_context(
            assembled(everything, store, keyring, tls, log_style="json")
        )
        yield Target(running, port, arrived=arrived, problems=problems)


async def _fill(store: Store, server: str) -> None:
    now = datetime.now(UTC)
    principal = Principal(f"local://{USER}", "local", NAME)
    await store.users.create(User(USER, NAME, NAME, True, False, now, (principal,)))
    digest = hashlib.sha256(BEARER.encode()).digest()
    name = BEARER.partition(":")[0]
    await store.tokens.create(
        Token(name, "token", digest, USER, principal.id, "to fuzz with", now, None)
    )
    await store.clusters.create(
        Cluster(
            id=CLUSTER,
            name="a",
            servers=(server,),
            ca_pem=None,
            tls_server_name=None,
            impersonator_token=CREDENTIAL,
            controller_token=None,
            credential_source=CredentialSource.STATIC,
            tokens_expire_at=None,
            created_at=now,
        )
    )
    await let_in(store, CLUSTER, USER)
