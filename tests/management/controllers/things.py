"""An API server with one scripted collection, and an informer of it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from aiohttp import web

from management.controllers.informer import Collection, Informer
from management.controllers.timing import InformerTiming
from management.kubernetes.client import ClusterClient
from management.kubernetes.connection import ClientLimits
from management.kubernetes.endpoint import ClusterCredential
from tests.management.conftest import Handler, Serve

PATH = "/api/v1/things"


def thing(name: str, version: int, **labels: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": str(version), "labels": labels}}


class Things:
    """An API server with one collection. ``script`` has the response of each watch, in order."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = [thing("a", 1)]
        self.version = 1
        self.script: list[list[dict[str, Any]] | int] = []
        self.lists = 0
        self.watched_from: list[str] = []
        self.status = 200
        self.meanwhile: list[dict[str, Any]] | None = None
        """The items after the first watch request."""

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        if self.status != 200:
            return web.json_response({"message": "not now"}, status=self.status)
        if "watch" not in request.query:
            return self._list(request)
        self.watched_from.append(request.query["resourceVersion"])
        events = self.script.pop(0) if self.script else []
        if self.meanwhile is not None:
            self.items, self.version, self.meanwhile = self.meanwhile, 9, None
        if isinstance(events, int):
            return web.json_response({"message": "too old"}, status=events)
        response = web.StreamResponse()
        await response.prepare(request)
        for event in events:
            await response.write(json.dumps(event).encode() + b"\n")
        # The last watch lasts until its client disconnects.
        while not self.script and request.transport is not None:
            await asyncio.sleep(0.02)
        return response

    def _list(self, request: web.BaseRequest) -> web.Response:
        """Return a page with one item."""
        self.lists += 1
        start = int(request.query.get("continue") or 0)
        metadata = {"resourceVersion": str(self.version)}
        if start + 1 < len(self.items):
            metadata["continue"] = str(start + 1)
        return web.json_response({"items": self.items[start : start + 1], "metadata": metadata})


@asynccontextmanager
async def kept(
    serve: Serve,
    handler: Handler,
    changes: list[int],
    limits: ClientLimits | None = None,
    timing: InformerTiming | None = None,
) -> AsyncIterator[Informer]:
    async with (
        serve(handler) as endpoint,
        ClusterClient(endpoint, ClusterCredential(token="t"), limits=limits) as client,
    ):
        informer = Informer(client, Collection(PATH), lambda: changes.append(1), timing or QUICK)
        task = asyncio.create_task(informer.run())
        try:
            yield informer
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


QUICK = InformerTiming(first_pause=0.01)


def names(informer: Informer) -> Callable[[], set[str]]:
    return lambda: {name for _, name in informer.items}
