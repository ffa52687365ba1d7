"""Mixed client traffic for :mod:`bench.soak`.

Each kind of traffic is an endless loop. Results are counted by kind and outcome; a few of the
unexpected ones are kept.
"""

import asyncio
import random
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import aiohttp

from bench.crowd import PODS, Person
from bench.servers import PASSWORD, USER, Server
from proxy.fastpath.header_cache import MAX_CACHED

SIZES = (200, 4_096, 60_000, 1_000_000, 20_000_000)
_UPGRADE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
_BROKEN = (aiohttp.ClientError, OSError, asyncio.IncompleteReadError, TimeoutError)
_ENOUGH = 20


@dataclass
class Outcomes:
    """Counts of results. ``troubled`` returns whether the upstream is or was just down."""

    troubled: Callable[[], bool]
    counts: Counter[str] = field(default_factory=Counter)
    unexpected: list[str] = field(default_factory=list)

    def saw(self, kind: str, outcome: object, *, expected: bool = True) -> None:
        """Count a result; keep it if it is unexpected."""
        self.counts[f"{kind}: {outcome}"] += 1
        if not expected and len(self.unexpected) < _ENOUGH:
            self.unexpected.append(f"{kind}: {outcome}")

    def answered(self, kind: str, status: int, *wanted: int) -> None:
        """Count a response. A missing upstream gives 502, 503 and 504; limits give 429."""
        trouble = (502, 503, 504) if self.troubled() else ()
        self.saw(kind, status, expected=status in {*(wanted or (200,)), *trouble, 429})

    def broke(self, kind: str, error: BaseException) -> None:
        """Count a connection that broke; only a missing upstream may cause that."""
        self.saw(kind, f"broken ({type(error).__name__})", expected=self.troubled())


class Traffic:
    """Clients of one proxy."""

    def __init__(self, server: Server, people: list[Person], outcomes: Outcomes) -> None:
        self._url = server.url
        self._where = urlsplit(server.url)
        self._root = server.url.partition("/k8s/")[0]
        self._admin = server.token
        self._people = people
        self._outcomes = outcomes
        self._random = random.Random(6)
        self._tls = ssl.create_default_context(cafile=str(server.ca))

    async def run(self, stop: asyncio.Event) -> None:
        """Run all kinds at the same time until ``stop``."""
        kinds = [self._lists] * 6 + [self._watches] * 20 + [self._sessions] * 4
        kinds += [self._sign_ins, self._tokens, self._tokens, self._posts]
        kinds += [self._vanish, self._close_half, self._do_not_read, self._do_not_read]
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=0)
        timeout = aiohttp.ClientTimeout(total=120)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            loops = [asyncio.create_task(self._again(kind, session, stop)) for kind in kinds]
            waiter = asyncio.create_task(stop.wait())
            ended, _ = await asyncio.wait([waiter, *loops], return_when=asyncio.FIRST_COMPLETED)
            for task in (waiter, *loops):
                task.cancel()
            await asyncio.gather(waiter, *loops, return_exceptions=True)
        for task in ended - {waiter}:
            task.result()  # A loop only ends by a bug.

    async def fill(self) -> None:
        """Fill the proxy's caches, because its memory grows until then.

        Header blocks are cached by their bytes (:mod:`proxy.fastpath.header_cache`).
        """
        connector = aiohttp.TCPConnector(ssl=self._tls, limit=8)
        async with aiohttp.ClientSession(connector=connector) as session:
            for number in range(MAX_CACHED):
                headers = {**self._bearer(), "User-Agent": f"filling/{number}"}
                url = f"{self._url}{PODS}?size={SIZES[0]}"
                async with session.get(url, headers=headers) as answer:
                    await answer.read()
                    self._outcomes.answered("filling", answer.status)

    async def _again(
        self,
        kind: Callable[[aiohttp.ClientSession], Awaitable[None]],
        session: aiohttp.ClientSession,
        stop: asyncio.Event,
    ) -> None:
        # Not an endless loop: wait_for may swallow the cancellation, up to Python 3.11.
        while not stop.is_set():
            try:
                await kind(session)
            except _BROKEN as exc:
                self._outcomes.broke(kind.__name__.strip("_"), exc)
            await asyncio.sleep(self._random.uniform(0.01, 0.2))

    def _bearer(self, token: str = "") -> dict[str, str]:
        return {"Authorization": f"Bearer {token or self._random.choice(self._people).token}"}

    async def _lists(self, session: aiohttp.ClientSession) -> None:
        [size] = self._random.choices(SIZES, (400, 400, 100, 20, 1))
        async with session.get(f"{self._url}{PODS}?size={size}", headers=self._bearer()) as answer:
            body = await answer.read()
            self._outcomes.answered("lists", answer.status)
            if answer.status == 200 and len(body) != size:
                self._outcomes.saw("lists", "a wrong length", expected=False)

    async def _posts(self, session: aiohttp.ClientSession) -> None:
        body = b"x" * self._random.choice((100, 10_000, 500_000))
        async with session.post(self._url + PODS, data=body, headers=self._bearer()) as answer:
            await answer.read()
            self._outcomes.answered("posts", answer.status)

    async def _watches(self, session: aiohttp.ClientSession) -> None:
        async with session.get(f"{self._url}{PODS}?watch=1", headers=self._bearer()) as answer:
            self._outcomes.answered("watches", answer.status)
            try:
                async with asyncio.timeout(self._random.uniform(0.1, 10)):
                    while await answer.content.readany():
                        pass
            except TimeoutError:
                answer.close()  # Without a close, like a killed client.

    async def _sign_ins(self, session: aiohttp.ClientSession) -> None:
        await asyncio.sleep(5)  # Hashing a password takes long by design.
        sent = {"username": USER, "password": PASSWORD}
        async with session.post(f"{self._root}/v1/login/local", json=sent) as answer:
            self._outcomes.answered("sign-ins", answer.status)
            if answer.status != 200:
                return
            token = (await answer.json())["token"]
        await self._use_and_end(session, token, "POST", "/v1/logout")

    async def _tokens(self, session: aiohttp.ClientSession) -> None:
        await asyncio.sleep(1)
        sent = {"description": "soak", "ttl": "1h"}
        headers = self._bearer(self._admin)
        async with session.post(f"{self._root}/v1/tokens", json=sent, headers=headers) as answer:
            self._outcomes.answered("token creation", answer.status, 200, 201)
            if answer.status not in (200, 201):
                return
            token = (await answer.json())["token"]
        name = token.partition(":")[0]
        await self._use_and_end(session, token, "DELETE", f"/v1/tokens/{name}")

    async def _use_and_end(
        self, session: aiohttp.ClientSession, token: str, method: str, path: str
    ) -> None:
        """Watch with a token, revoke it, and check that the watch ends."""
        headers = self._bearer(token)
        async with session.get(f"{self._url}{PODS}?watch=1", headers=headers) as watch:
            self._outcomes.answered("watches", watch.status)
            async with session.request(method, self._root + path, headers=headers) as answer:
                self._outcomes.answered("revocations", answer.status, 200, 204)
            async with asyncio.timeout(10):
                while await watch.content.readany():
                    pass
        async with session.get(self._url + PODS, headers=headers) as answer:
            self._outcomes.answered("revoked tokens", answer.status, 401)

    # Traffic on raw connections.

    async def _sessions(self, session: aiohttp.ClientSession) -> None:
        reader, writer = await self._ask(f"{PODS}/web/exec?command=sh", _UPGRADE)
        try:
            status = await _status(reader)
            self._outcomes.answered("sessions", status, 101)
            if status != 101:
                return
            for _turn in range(self._random.randrange(1, 50)):
                sent = bytes(self._random.randrange(1, 20_000))
                writer.write(sent)
                await asyncio.wait_for(reader.readexactly(len(sent)), 60)
            if self._random.random() < 0.5:
                writer.transport.abort()
        finally:
            writer.close()

    async def _vanish(self, session: aiohttp.ClientSession) -> None:
        """Close in the middle of a head or a body, or while the response is awaited."""
        length = "Content-Length: 100000\r\n"
        _, writer = await self._ask(PODS, length, method="POST", whole=self._random.random() < 0.5)
        await asyncio.sleep(self._random.uniform(0, 0.3))
        writer.transport.abort()
        self._outcomes.saw("clients that vanish", "gone")

    async def _close_half(self, session: aiohttp.ClientSession) -> None:
        """Close the sending side, and leave without reading."""
        _, writer = await self._ask(PODS, "")
        writer.close()
        self._outcomes.saw("clients that close at once", "gone")

    async def _do_not_read(self, session: aiohttp.ClientSession) -> None:
        """Request a large list, read a part of it, and stop."""
        reader, writer = await self._ask(f"{PODS}?size={SIZES[-1]}", "")
        try:
            self._outcomes.answered("clients that stop reading", await _status(reader))
            await asyncio.sleep(self._random.uniform(1, 10))
        finally:
            writer.transport.abort()

    async def _ask(
        self, path: str, more: str, *, method: str = "GET", whole: bool = True
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_connection(
            self._where.hostname, self._where.port, ssl=self._tls
        )
        token = self._random.choice(self._people).token
        head = (
            f"{method} {self._where.path}{path} HTTP/1.1\r\nHost: {self._where.netloc}\r\n"
            f"Authorization: Bearer {token}\r\n{more}\r\n"
        )
        writer.write(head.encode() if whole else head[:-2].encode())
        return reader, writer


async def _status(reader: asyncio.StreamReader) -> int:
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 60)
    return int(head.split(b" ", 2)[1])
