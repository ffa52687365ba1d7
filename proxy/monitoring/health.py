"""Liveness (``/healthz``) and readiness (``/readyz``) of the process."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from management.api.authentication import probe

CHECK_SECONDS = 2.0
"""The timeout of a check."""

CACHE_SECONDS = 0.25
"""How long the results of the checks are cached."""

Check = Callable[[], Awaitable[None]]


class Readiness:
    """Named checks. A failed check raises; its message is for operators.

    ``stopping`` makes the process unready, whatever the checks return. ``shown`` returns problems
    that only ``?verbose`` lists and that do not make the process unready.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        shown: Callable[[], Mapping[str, str | None]] = dict,
    ) -> None:
        self._checks = dict(checks)
        self.shown = shown
        self.stopping = False
        self._running: asyncio.Task[dict[str, str | None]] | None = None
        self._fresh_until = 0.0

    async def results(self) -> dict[str, str | None]:
        """Return the problem of each check; None where it passed.

        Checks run at most once within :data:`CACHE_SECONDS`, because unauthenticated clients may
        send any number of requests.
        """
        now = asyncio.get_running_loop().time()
        if self._running is None or (self._running.done() and now >= self._fresh_until):
            self._running = asyncio.ensure_future(self._run_all())
            self._fresh_until = now + CACHE_SECONDS
        # Shielded: a client that leaves must not cancel the checks of the others.
        results = dict(await asyncio.shield(self._running))
        results["shutdown"] = "the server is stopping" if self.stopping else None
        return results

    async def _run_all(self) -> dict[str, str | None]:
        names = list(self._checks)
        outcomes = await asyncio.gather(*(self._run(self._checks[name]) for name in names))
        return dict(zip(names, outcomes, strict=True))

    async def _run(self, check: Check) -> str | None:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await check()
        except TimeoutError:
            return "timed out"
        except Exception as exc:  # Any exception is the check's result.
            return str(exc) or type(exc).__name__
        return None


def routes(readiness: Readiness, *, public: bool = False) -> list[web.RouteDef]:
    """Return the two endpoints, which follow those of the Kubernetes API server (``?verbose``).

    ``public`` hides the providers and their state from unauthenticated clients.
    """

    @probe
    async def healthz(request: web.Request) -> web.Response:
        return web.Response(text="ok")

    @probe
    async def readyz(request: web.Request) -> web.Response:
        results = await readiness.results()
        ready = not any(results.values())
        # Reasons may contain host and file names, so the response only has "ok" or "failed".
        if "verbose" in request.query or not ready:
            lines = [
                f"[{'-' if why else '+'}]{name} {'failed' if why else 'ok'}"
                for name, why in results.items()
            ]
            lines += [
                f"[{'-' if why else '+'}]{name} {'down, not counted' if why else 'ok'}"
                for name, why in ({} if public else readiness.shown()).items()
            ]
            text = "\n".join([*lines, f"readyz check {'passed' if ready else 'failed'}"]) + "\n"
        else:
            text = "ok"
        return web.Response(text=text, status=200 if ready else 503)

    return [web.get("/healthz", healthz), web.get("/readyz", readyz)]
