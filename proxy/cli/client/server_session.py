"""What a command does at a server, as the signed-in user: read, list, watch, and change.

:func:`proxy.cli.client.server_command.server_command` gives a command its session.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from agent.http.errors import BrokenBody, ConnectionEnded
from config.bounded_json import load_json
from proxy.cli.client.event_stream import EventParser, EventTooLarge
from proxy.cli.client.known_servers import KnownServer
from proxy.cli.client.problems import not_sekisho, refused
from proxy.cli.client.received import received
from proxy.cli.client.server_client import Reply, ServerClient, Unreachable
from proxy.cli.common import CommandFailed, warn

Item = Mapping[str, Any]

PAGE = 500
"""Items in a page of a list."""

MAX_WAIT_SECONDS = 15
"""The longest pause that a server may ask for (429) and get. It is reported if it is longer."""

ATTEMPTS = 4
"""How often a request that was refused with 429 is sent."""

SILENCE_SECONDS = 60.0
"""A stream without bytes for so long is dead: the server sends a comment every 20 seconds."""

_LOST = (ConnectionResetError, ConnectionEnded, BrokenBody)
"""Errors after which it is unknown whether the server has executed a request."""

LONGEST_PAUSE_SECONDS = 30.0
"""Limit for the pause before a broken stream is opened again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful response. ``etag`` is for ``if_match`` of a change."""

    status: int
    data: Item
    etag: str | None = None
    body: bytes = field(default=b"", repr=False)


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a watched list: ``added``, ``modified`` or ``deleted``, or ``synced``.

    ``synced`` follows the items that existed at the beginning, and its item is about the list.
    """

    kind: str
    item: Item


def path_of(*segments: str) -> str:
    """Return the path below ``/v1`` with each segment quoted.

    Raises CommandFailed for a name that can't be in a path.
    """
    for one in segments:
        if one in {"", ".", ".."}:
            raise CommandFailed(f'"{one}" can\'t be a name')
    return "/v1/" + "/".join(quote(one, safe="") for one in segments)


@dataclass(frozen=True, slots=True)
class ServerSession:
    """Requests to one server with one credential. Every error is a CommandFailed of one line."""

    server: KnownServer
    client: ServerClient
    token: str = field(repr=False)
    from_variable: bool = False
    """Whether the credential is that of $SEKISHO_TOKEN."""

    async def get(self, path: str, **params: object) -> Item:
        """Return an object."""
        return (await self.read(path, **params)).data

    async def read(self, path: str, **params: object) -> Answer:
        """Return an object with its ETag."""
        answer = await self._sent("GET", with_query(path, params))
        if not answer.data and not answer.body:
            raise not_sekisho(self.server)
        return answer

    async def list(
        self, path: str, *, on_page: Callable[[Item], None] | None = None, **params: object
    ) -> AsyncIterator[Item]:
        """Yield the items of a list, page by page. Parameters that are None are left out.

        ``on_page`` gets each page before its items.
        """
        token: object = None
        while True:
            page = await self.get(path, **{"limit": PAGE, **params, "continue": token})
            items = page.get("items")
            if not isinstance(items, list):
                raise not_sekisho(self.server)
            if on_page is not None:
                on_page(page)
            for item in items:
                yield received(item)
            before, token = token, page.get("continue")
            if not token:
                return
            if token == before:
                raise not_sekisho(self.server)

    async def send(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        if_match: str | None = None,
        **params: object,
    ) -> Answer:
        """Send a change. A POST is executed once, also if its response is lost on the way."""
        headers = {} if if_match is None else {"If-Match": if_match}
        if method == "POST":
            headers["Idempotency-Key"] = uuid.uuid4().hex
        return await self._sent(method, with_query(path, params), body, headers)

    async def watch(self, path: str, *, key: str = "id", **params: object) -> AsyncIterator[Change]:
        """Yield the items of a list, then its changes, until the server ends the access.

        The stream is opened again if it breaks; only what has changed since is yielded. ``key`` is
        the field that identifies an item.
        """
        known: dict[str, Item] = {}
        failures, synced = 0, False
        url = with_query(path, {**params, "watch": 1})
        while True:
            try:
                async for change in self._changes(url, known, key):
                    failures = 0
                    if change.kind != "synced" or not synced:
                        yield change
                    synced = synced or change.kind == "synced"
            except Unreachable as exc:
                if not synced:
                    raise
                if not failures:
                    warn(f"{exc}; trying again")
            if not synced:
                raise not_sekisho(self.server)  # its streams begin with all that exists
            failures += 1
            await asyncio.sleep(min(2.0 ** (failures - 1), LONGEST_PAUSE_SECONDS))

    async def follow(self, path: str, **params: object) -> AsyncIterator[Item]:
        """Yield the items that are added to a list whose stream has positions, each once.

        The stream is opened again where it broke. Raises CommandFailed when the access ends.
        """
        url = with_query(path, {**params, "watch": 1})
        parser, failures = EventParser(), 0
        while True:
            try:
                async for kind, item in self._events(url, parser):
                    failures = 0
                    if kind == "ended":
                        raise _ended(item)
                    yield item
            except Unreachable as exc:
                if not parser.last_id:
                    raise
                if not failures:
                    warn(f"{exc}; trying again")
            parser = EventParser(parser.last_id)
            failures += 1
            await asyncio.sleep(min(2.0 ** (failures - 1), LONGEST_PAUSE_SECONDS))

    async def _changes(self, url: str, known: dict[str, Item], key: str) -> AsyncIterator[Change]:
        """Yield the differences to ``known`` from one stream, and update ``known``."""
        seen: set[str] = set()
        first = True
        async for kind, item in self._events(url, EventParser()):
            if kind == "ended":
                raise _ended(item)
            if kind == "synced":
                for gone in known.keys() - seen if first else ():
                    yield Change("deleted", known.pop(gone))
                first = False
                yield Change("synced", item)
                continue
            name = str(item.get(key))
            seen.add(name)
            if kind == "deleted":
                known.pop(name, None)
                yield Change(kind, item)
            elif known.get(name) != item:
                kind = "modified" if name in known else "added"
                known[name] = item
                yield Change(kind, item)

    async def _events(self, url: str, parser: EventParser) -> AsyncIterator[tuple[str, Item]]:
        headers = {"Accept": "text/event-stream"}
        if parser.last_id:
            headers["Last-Event-ID"] = parser.last_id
        async with self.client.stream(url, token=self.token, headers=headers) as stream:
            if stream.refused is not None:
                raise refused(stream.refused, self.server, from_variable=self.from_variable)
            while (line := await self._next_line(stream.lines)) is not None:
                event = self._event_of(parser, line)
                if event is not None:
                    yield event

    async def _next_line(self, lines: AsyncIterator[bytes]) -> bytes | None:
        """Return the next line of a stream; None at its end. Raises Unreachable."""
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                return await anext(lines, None)
        except TimeoutError:
            raise Unreachable(f"{self.server.name} sends nothing any longer") from None

    def _event_of(self, parser: EventParser, line: bytes) -> tuple[str, Item] | None:
        try:
            event = parser.feed(line)
            item = load_json(event.data) if event is not None else None
        except (EventTooLarge, ValueError):
            raise not_sekisho(self.server) from None
        return (event.kind, item) if event is not None and isinstance(item, dict) else None

    async def _sent(
        self,
        method: str,
        url: str,
        body: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request until it is not refused with 429. Raises Refused and Unreachable."""
        reply = await self._once_more(method, url, body, headers)
        for _ in range(ATTEMPTS - 1):
            pause = _pause(reply)
            if pause is None:
                break
            await asyncio.sleep(pause)
            reply = await self._once_more(method, url, body, headers)
        if not 200 <= reply.status < 300:
            raise refused(reply, self.server, from_variable=self.from_variable)
        text = reply.headers.get("content-type", "")
        other = "yaml" in text or "image/svg" in text
        if reply.status != 204 and not reply.data and not other:
            raise not_sekisho(self.server)
        return Answer(reply.status, received(reply.data), reply.headers.get("etag"), reply.body)

    async def _once_more(
        self, method: str, url: str, body: object, headers: Mapping[str, str] | None
    ) -> Reply:
        """Send a request; again, if its response was lost and it has an idempotency key."""
        again = "Idempotency-Key" in (headers or {})
        try:
            return await self.client.send(method, url, body, token=self.token, headers=headers)
        except Unreachable as exc:
            if not again or not isinstance(exc.__cause__, _LOST):
                raise
        return await self.client.send(method, url, body, token=self.token, headers=headers)


def _ended(item: Item) -> CommandFailed:
    return CommandFailed(str(item.get("reason") or "the server has ended the stream"))


def with_query(path: str, params: Mapping[str, object]) -> str:
    """Return a path with query parameters. None is left out, and booleans are true or false."""
    pairs = [(name, _text(value)) for name, value in params.items() if value is not None]
    if not pairs:
        return path
    return f"{path}{'&' if '?' in path else '?'}{urlencode(pairs)}"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _pause(reply: Reply) -> int | None:
    """Return how many seconds to wait before the request is sent again; None: never."""
    text = reply.wait or ""
    if reply.status != 429 or not (text.isascii() and text.isdigit() and len(text) < 6):
        return None
    seconds = int(text)
    return seconds if seconds <= MAX_WAIT_SECONDS else None
