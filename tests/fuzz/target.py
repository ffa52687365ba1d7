"""Run the complete proxy in this process on the bytes of one client connection.

Its upstream parses with h11, which shares no code with the proxy's llhttp. :meth:`Target.run`
raises Violation if the upstream receives anything that the proxy must not send (``checks.py``).

The bytes ``<|>`` mark where the input is split into separate reads.
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from json import loads
from pathlib import Path
from typing import Any

import h11

from proxy.app import Application, build_application
from proxy.client.connection import ClientConnection
from proxy.files.data_dir import open_keyring
from proxy.startup.configuration import load_config
from proxy.transport.server_tls import ServerTls
from store.database import open_store
from store.interfaces import Store
from store.records import Cluster, CredentialSource, Principal, Token, User
from tests.fuzz.checks import (
    ALLOWED,
    CLUSTER,
    CREDENTIAL,
    USER,
    USER_NAME,
    ForwardedRequest,
    Violation,
    check_request,
    is_review,
)
from tests.store.records import let_in
from tests.support.addresses import LOOPBACK

READ_BOUNDARY = b"<|>"
TOKEN = "token-fuzzfuzzaa:0123456789012345678901234567890123456789abc"
VALID_REQUEST = (
    b"GET /k8s/clusters/a/api HTTP/1.1\r\nHost: gate\r\nAuthorization: Bearer "
    + TOKEN.encode()
    + b"\r\n\r\n"
)
"""A request that the proxy forwards."""


class Upstream(asyncio.Protocol):
    """One connection of the upstream."""

    def __init__(self, forwarded: list[ForwardedRequest], problems: list[str]) -> None:
        self._forwarded = forwarded
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
            self._forwarded.append(ForwardedRequest(event.method, event.target, raw))
        elif isinstance(event, h11.Data):
            self._forwarded[-1].body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            if list(event.headers):
                self._problems.append(f"trailers were forwarded: {self._raw!r}")
            self._forwarded[-1].complete = True
            self._respond(self._forwarded[-1])
        # NEED_DATA and PAUSED are classes.
        return not isinstance(event, type | h11.ConnectionClosed)

    def _respond(self, request: ForwardedRequest) -> None:
        status, body = 299, b"ok"
        if is_review(request):
            attributes = loads(request.body)["spec"]["resourceAttributes"]
            allowed = attributes.get("name") in ALLOWED
            status, body = 201, b'{"status": {"allowed": %b}}' % (b"true" if allowed else b"false")
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
    """A client connection without a socket that records what the proxy writes."""

    def __init__(self, connection: ClientConnection) -> None:
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
    """A running proxy that processes one connection at a time.

    ``idle_timeout`` is the time in seconds to wait for a request without progress, mostly one whose
    body doesn't end.
    """

    running: Application
    port: int
    idle_timeout: float = 10.0
    forwarded: list[ForwardedRequest] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    async def run(self, data: bytes) -> bytes:
        """Process ``data`` as one connection; return the bytes for the client. Raises Violation."""
        self.forwarded.clear()
        self.problems.clear()
        connection = self.running.server()
        client = Client(connection)
        connection.connection_made(client)
        for piece in data.split(READ_BOUNDARY):
            if client.is_closing():
                break
            connection.data_received(piece)
            await self._settle(connection, client)
        truncated = connection.current_request is not None
        client.close()
        await self._settle(connection, client)
        self._check(client.written, truncated=truncated)
        return client.written

    async def _settle(self, connection: ClientConnection, client: Client) -> None:
        """Return once the proxy is idle or waits only for the client."""
        loop = asyncio.get_running_loop()
        before, idle_rounds, since = (-1, -1, -1), 0, loop.time()
        while idle_rounds < 20:
            busy = connection.current_request is not None
            await asyncio.sleep(0.0005 if busy and idle_rounds > 10 else 0)
            bodies = sum(len(one.body) + one.complete for one in self.forwarded)
            now = (len(client.written), len(self.forwarded), bodies)
            if now != before:
                before, idle_rounds, since = now, 0, loop.time()
            elif not busy or loop.time() - since > self.idle_timeout:
                idle_rounds += 1

    def _check(self, written: bytes, *, truncated: bool) -> None:
        if self.problems:
            raise Violation(self.problems[0])
        if b"HTTP/1.1 500 " in written or b"HTTP/1.0 500 " in written:
            raise Violation(f"internal error: {written!r}")
        proxied = [one for one in self.forwarded if not is_review(one)]
        for one in self.forwarded:
            check_request(one, self.port)
        complete = sum(one.complete for one in proxied)
        answered = written.count(b"HTTP/1.1 299 ")
        if not answered <= complete <= answered + truncated:
            raise Violation(
                f"{complete} requests were forwarded, {answered} were answered: {proxied}"
            )
        if len(proxied) > answered + 1:
            raise Violation(f"more than one request was truncated: {proxied}")


@asynccontextmanager
async def target(folder: Path) -> AsyncIterator[Target]:
    """Run a proxy with one user, one token and the cluster ``a``, served by :class:`Upstream`."""
    (folder / "sekisho.yaml").write_text(
        "server: {tls: {plain_http: true}}\ndata_dir: data\n"
        "log: {access: false, level: error}\naudit: {output: none}\n"
        "controllers: {enabled: false}\n"
    )
    configuration = load_config(str(folder / "sekisho.yaml"), {})
    settings = configuration.settings
    keyring = open_keyring(settings)
    forwarded: list[ForwardedRequest] = []
    problems: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: problems.append(f"escaped: {context}"))
    listener = await loop.create_server(lambda: Upstream(forwarded, problems), "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with AsyncExitStack() as stack:
        stack.callback(listener.close)
        store = await open_store(settings.store_url, keyring, upgrade=True)
        stack.push_async_callback(store.close)
        await _fill(store, f"http://127.0.0.1:{port}")
        tls = ServerTls(settings)
        running = await stack.enter_async_context(
            build_application(configuration, store, keyring, tls, log_style="json")
        )
        yield Target(running, port, forwarded=forwarded, problems=problems)


async def _fill(store: Store, server: str) -> None:
    now = datetime.now(UTC)
    principal = Principal(f"local://{USER}", "local", USER_NAME)
    await store.users.create(User(USER, USER_NAME, USER_NAME, True, False, now, (principal,)))
    digest = hashlib.sha256(TOKEN.encode()).digest()
    name = TOKEN.partition(":")[0]
    await store.tokens.create(
        Token(name, "token", digest, USER, principal.id, "for fuzzing", now, None)
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
            trusted_addresses=LOOPBACK,
        )
    )
    await let_in(store, CLUSTER, USER)
