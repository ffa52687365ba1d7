"""``/healthz`` and ``/readyz``: is the process alive, and should it get requests?"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from aiohttp import web

from management.authentication import anybody

CHECK_SECONDS = 2.0
"""How long a check may take before it counts as failed."""

Check = Callable[[], Awaitable[None]]


class Readiness:
    """Named checks. Each raises where something is wrong; its message is for operators.

    ``stopping`` makes the process unready whatever the checks say. ``shown`` says what is wrong
    with what is only told of (``?verbose``) and makes nothing unready.
    """

    def __init__(
        self,
        checks: Mapping[str, Check],
        shown: Callable[[], Mapping[str, str | None]] = dict,
    ) -> None:
        self._checks = dict(checks)
        self.shown = shown
        self.stopping = False

    async def results(self) -> dict[str, str | None]:
        """What is wrong by check; None where all is well."""
        names = list(self._checks)
        outcomes = await asyncio.gather(*(self._run(self._checks[name]) for name in names))
        results = dict(zip(names, outcomes, strict=True))
        results["shutdown"] = "the server is stopping" if self.stopping else None
        return results

    async def _run(self, check: Check) -> str | None:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await check()
        except TimeoutError:
            return "timed out"
        except Exception as exc:  # whatever a check raises is its result
            return str(exc) or type(exc).__name__
        return None


def routes(readiness: Readiness) -> list[web.RouteDef]:
    """The two endpoints, in the manner of the Kubernetes API server's (``?verbose``)."""

    @anybody
    async def healthz(request: web.Request) -> web.Response:
        return web.Response(text="ok")

    @anybody
    async def readyz(request: web.Request) -> web.Response:
        results = await readiness.results()
        ready = not any(results.values())
        # Reasons may name hosts and files, so they are logged and told on the metrics listener's
        # side of the fence only: here a check is well or it isn't.
        if "verbose" in request.query or not ready:
            lines = [
                f"[{'-' if why else '+'}]{name} {'failed' if why else 'ok'}"
                for name, why in results.items()
            ]
            lines += [
                f"[{'-' if why else '+'}]{name} {'down, not counted' if why else 'ok'}"
                for name, why in readiness.shown().items()
            ]
            text = "\n".join([*lines, f"readyz check {'passed' if ready else 'failed'}"]) + "\n"
        else:
            text = "ok"
        return web.Response(text=text, status=200 if ready else 503)

    return [web.get("/healthz", healthz), web.get("/readyz", readyz)]
