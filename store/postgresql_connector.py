"""Connections to PostgreSQL, to the server that accepts writes if the URL names several.

A list of hosts is how clients follow a failover (Patroni, streaming replication): one of them is
the primary server. libpq tries one host after the other; a host that is lost without a word then
takes its whole time limit from each connection. So the hosts are tried in an overlapping way, as
RFC 8305 does with addresses, and the one that was right last time comes first.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from store.locations import Host, Location

HEAD_START_SECONDS = 0.5
"""How long a host may take before the next one is tried, too."""


@dataclass(slots=True)
class PostgresqlConnector:
    """Connects to the database at ``location``.

    ``timeout`` limits an attempt at one host, ``command_timeout`` each statement, in seconds.
    ``name`` is the application that PostgreSQL shows. ``transaction_timeout``: how long PostgreSQL
    waits for the next statement of a transaction. A replica that is lost without a word would hold
    its locks until TCP notices, which takes two hours by default.
    """

    location: Location
    name: str
    timeout: float
    command_timeout: float
    transaction_timeout: float | None = None
    _first: Host | None = field(default=None, init=False)

    async def connect(self) -> Any:
        """Return a connection. Raises what the driver raises: at best, why no server is usable."""
        hosts = sorted(self.location.hosts, key=lambda host: host != self._first)
        if not hosts:
            return await self._attempt(None)
        attempts: dict[asyncio.Task[Any], Host] = {}
        errors: list[Exception] = []
        try:
            for position, host in enumerate(hosts, 1):
                attempts[asyncio.create_task(self._attempt(host))] = host
                last = position == len(hosts)
                connection = await self._first_success(attempts, errors, wait=last)
                if connection is not None:
                    return connection
        finally:
            await _abandon(attempts)
        raise _most_telling(errors)

    async def _first_success(
        self, attempts: dict[asyncio.Task[Any], Host], errors: list[Exception], *, wait: bool
    ) -> Any:
        """Return the first connection; None if all failed, or the head start is over."""
        timeout = None if wait else HEAD_START_SECONDS
        while attempts:
            done, _ = await asyncio.wait(
                attempts, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
            )
            if not done:
                return None
            for task in done:
                failure = task.exception()
                if failure is None:
                    self._first = attempts.pop(task)
                    return task.result()
                del attempts[task]
                if not isinstance(failure, Exception):
                    raise failure
                errors.append(failure)
        return None

    async def _attempt(self, host: Host | None) -> Any:
        # asyncpg reads libpq's URL parameters itself; SQLAlchemy would hand on only some of them.
        place: dict[str, Any] = {} if host is None else {"host": host.name, "port": host.port}
        connection = await asyncpg.connect(
            self.location.dsn,
            **place,
            timeout=self.timeout,
            command_timeout=self.command_timeout,
            server_settings={"application_name": self.name},
        )
        if self.transaction_timeout is not None:
            await self._limit_transactions(connection, self.transaction_timeout)
        return connection

    async def _limit_transactions(self, connection: Any, seconds: float) -> None:
        """Set the limit by a statement: poolers refuse unknown parameters of the start."""
        milliseconds = round(seconds * 1000)
        try:
            await connection.execute(
                f"SET idle_in_transaction_session_timeout = {milliseconds}", timeout=self.timeout
            )
        except BaseException:
            connection.terminate()
            raise


async def _abandon(attempts: dict[asyncio.Task[Any], Host]) -> None:
    """End attempts that lost, and their connections."""
    for task in attempts:
        task.cancel()
    for ended in await asyncio.gather(*attempts, return_exceptions=True):
        if isinstance(ended, asyncpg.Connection):
            ended.terminate()


def _most_telling(errors: list[Exception]) -> Exception:
    """Return an error of a server that responded: it matters more than that others are down."""
    kinds = (asyncpg.PostgresError, asyncpg.TargetServerAttributeNotMatched)
    return next((one for kind in kinds for one in errors if isinstance(one, kind)), errors[-1])
