"""Find out whether a cluster's 401 rejects Sekisho's credential or comes from another server.

An API server also relays the responses of others: aggregated APIs, kubelets. Their 401 looks like
its own. So the check requests, from the same API server and with the same credential, a resource
that the API server serves itself, and only that result counts. Checks of one credential at the same
time share one request. Results are cached; failures for longer, the more there are in a row.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import partial

import aiohttp

from management.kubernetes.cluster_client import dialer_of
from providers.http.response_body import open_session
from providers.network.checked_connections import connector
from proxy.response.relay import ResponseRelay
from proxy.transport.client_tls import ContextSource
from proxy.upstream.errors import UpstreamError, UpstreamUnauthorized, UpstreamUncertain
from store.records import Cluster

PATH = "/api"
"""A path that no aggregated API serves. Without the right to read it, the status is 403."""

TIMEOUT_SECONDS = 10.0
"""How long the API server may take to respond."""

ACCEPTED_SECONDS = 5.0
"""How long ACCEPTED is cached."""

FAILURE_SECONDS = (1.0, 60.0)
"""How long other results are cached: at first, and at most."""

MAX_CACHED = 4096

MAX_CONCURRENT = 4
"""Checks in one cluster at the same time."""


class Verdict(Enum):
    """Result of a check; UNKNOWN where the API server gave none."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class _CachedVerdict:
    verdict: Verdict
    until: float
    failures: int


_Key = tuple[str, bytes]


class CredentialChecks:
    """Check whether one cluster's API servers accept a credential."""

    def __init__(
        self,
        cluster: Cluster,
        context: ContextSource,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cluster = cluster
        self._context = context
        self._clock = clock
        self._cache: dict[_Key, _CachedVerdict] = {}
        self._running: dict[_Key, asyncio.Task[Verdict]] = {}
        self._slots = asyncio.Semaphore(MAX_CONCURRENT)

    def cached(self, server: str, credential: bytes) -> Verdict | None:
        """Return the cached result for that API server and credential (an Authorization line)."""
        cached = self._cache.get(_key(server, credential))
        return cached.verdict if cached is not None and self._clock() < cached.until else None

    def start(self, server: str, credential: bytes, then: Callable[[Verdict], None]) -> None:
        """Start a check, or join a running one, and call ``then`` with the result."""
        key = _key(server, credential)
        task = self._running.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._check(server, credential))
            self._running[key] = task
            task.add_done_callback(partial(self._finished, key))
        task.add_done_callback(lambda done: then(_verdict_of(done)))

    def close(self) -> None:
        """Cancel all checks: their result is UNKNOWN."""
        for task in list(self._running.values()):
            task.cancel()

    def _finished(self, key: _Key, task: asyncio.Task[Verdict]) -> None:
        self._running.pop(key, None)
        verdict, before = _verdict_of(task), self._cache.pop(key, None)
        if verdict is Verdict.ACCEPTED:
            failures, seconds = 0, ACCEPTED_SECONDS
        else:
            failures = min(before.failures + 1 if before is not None else 1, 16)
            first, most = FAILURE_SECONDS
            seconds = min(most, first * 2.0 ** (failures - 1))
        while len(self._cache) >= MAX_CACHED:
            del self._cache[next(iter(self._cache))]
        self._cache[key] = _CachedVerdict(verdict, self._clock() + seconds, failures)

    async def _check(self, server: str, credential: bytes) -> Verdict:
        try:
            async with self._slots, asyncio.timeout(TIMEOUT_SECONDS):
                status = await self._status(server, credential)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return Verdict.UNKNOWN
        if status == 401:
            return Verdict.REJECTED
        return Verdict.ACCEPTED if status in {200, 403} else Verdict.UNKNOWN

    async def _status(self, server: str, credential: bytes) -> int:
        name, _, value = credential.decode("latin-1").rstrip("\r\n").partition(": ")
        dialer = dialer_of(self._cluster)
        async with (
            open_session(connector=connector(self._cluster.addresses, dialer=dialer)) as session,
            session.get(
                server.rstrip("/") + PATH,
                ssl=self._context(),
                server_hostname=self._cluster.tls_server_name,
                allow_redirects=False,
                headers={name: value, "Accept": "application/json"},
            ) as response,
        ):
            return response.status


def hold_back(
    checks: CredentialChecks, server: str, credential: bytes, response: ResponseRelay
) -> bool:
    """Return whether to hold ``response``, a 401 of that API server, back until a check ends.

    False: the credential is accepted, so the 401 is for the client. Raises UpstreamError where the
    cached result is another one.
    """
    verdict = checks.cached(server, credential)
    if verdict is Verdict.ACCEPTED:
        return False
    if verdict is not None:
        raise _failure(verdict)
    checks.start(server, credential, partial(_settle, response))
    return True


def _settle(response: ResponseRelay, verdict: Verdict) -> None:
    if verdict is Verdict.ACCEPTED:
        response.release()
    else:
        response.reject(_failure(verdict))


def _failure(verdict: Verdict) -> UpstreamError:
    if verdict is Verdict.REJECTED:
        return UpstreamUnauthorized("the API server doesn't accept Sekisho's credential")
    return UpstreamUncertain(
        "the response was 401, and it is unknown whether the API server accepts Sekisho's "
        "credential; try again"
    )


def _verdict_of(task: asyncio.Task[Verdict]) -> Verdict:
    if task.cancelled() or task.exception() is not None:
        return Verdict.UNKNOWN
    return task.result()


def _key(server: str, credential: bytes) -> _Key:
    return server, hashlib.sha256(credential).digest()
