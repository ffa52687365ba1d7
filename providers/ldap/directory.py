"""A directory for use from the event loop: threads, connections, failover, deadlines.

ldap3 blocks, so it runs on ``connections`` threads of its own. Each operation (a sign-in, a search)
runs on one thread with a :class:`DirectorySession`:

* searches use a connection that is bound as the service account and kept for the next operation;
* a password is verified by a bind on a new connection, which is then closed: no search ever runs
  with a user's permissions.

The directory therefore has at most twice as many connections as there are threads. Operations wait
for a free thread; more than ``max_waiting`` are rejected. Each operation has a deadline from the
call on. At the deadline the caller gets ProviderUnavailable, and the connections are shut down so
that the thread becomes free.

A search on a connection that breaks is repeated once on a new connection, perhaps with another
server.

The module is over 300 lines because deadlines, threads and connections of one directory share their
locks: apart, each could only be read together with the others.
"""

import asyncio
import ssl
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from config.address_policy import ANY_ADDRESS, AddressPolicy
from config.loggers import get_logger
from providers.base import ProviderUnavailable, Throttled
from providers.ldap.connection import ConnectionBroken, LdapConnection, Scope, Timeouts
from providers.ldap.directory_settings import DirectorySettings
from providers.ldap.results import BindResult, Entry
from providers.ldap.servers import ServerAddress, ServerList
from providers.network.addresses import AddressMemory
from providers.settings.certificates import tls_context

IDLE_SECONDS = 60.0
"""A connection that is idle for longer is closed: firewalls drop idle connections."""

RETRY_AFTER = 5
"""Seconds after which clients may retry if a directory is down or busy."""

_LOG = get_logger(__name__)
T = TypeVar("T")


class DirectorySession:
    """The connections of one operation, for one thread. Any thread may call ``abort``."""

    def __init__(self, directory: "Directory") -> None:
        self._directory = directory
        self._wires: list[LdapConnection] = []
        self._service: LdapConnection | None = None
        self._aborted = False
        self._lock = threading.Lock()
        self.round_trips = 0
        """The number of requests to the directory, which is logged at the end."""

    def search(
        self, base: str, search_filter: str, attributes: Sequence[str], scope: Scope = "SUBTREE"
    ) -> list[Entry]:
        """Return all entries that the service account finds. Raises ProviderUnavailable."""
        return self._with_retry(lambda wire: wire.search(base, search_filter, attributes, scope))

    def some(
        self, base: str, search_filter: str, attributes: Sequence[str], limit: int
    ) -> list[Entry]:
        """Return up to ``limit`` entries that the filter finds. Raises ProviderUnavailable."""
        return self._with_retry(lambda wire: wire.some(base, search_filter, attributes, limit))

    def verify(self, dn: str, password: bytes) -> BindResult:
        """Return the result of a bind with this password. Raises ProviderUnavailable."""
        self.round_trips += 1
        return self._directory.on_any_server(self, lambda wire: wire.bind(dn, password))

    def adopt(self, wire: LdapConnection) -> None:
        """Add a connection to this session, so that ``abort`` closes it."""
        with self._lock:
            self._wires.append(wire)
            aborted = self._aborted
        if aborted:
            wire.abort()

    def abort(self) -> None:
        """Interrupt the session's thread."""
        with self._lock:
            self._aborted = True
            wires = list(self._wires)
        for wire in wires:
            wire.abort()

    @property
    def aborted(self) -> bool:
        """Whether the caller no longer waits for the result."""
        return self._aborted

    def finish(self, *, reusable: bool) -> None:
        """Return the service account's connection to the directory, or close it."""
        with self._lock:
            wire, self._service = self._service, None
            self._wires.clear()
            reusable = reusable and not self._aborted
        if wire is not None:
            self._directory.release(wire, reusable=reusable)

    def _with_retry(self, work: Callable[[LdapConnection], T]) -> T:
        self.round_trips += 1
        if self._service is None:
            self._service = self._directory.take(self)
        try:
            return work(self._service)
        except ConnectionBroken as exc:
            if self._aborted:
                raise
            _LOG.info("a directory connection broke; retrying once", problem=str(exc))
            self._directory.connection_broken(self._service)
            self._service = None
            self._service = self._directory.take(self, fresh=True)
            return work(self._service)


class Directory:
    """Threads and connections of one directory; see the module's docstring.

    ``name`` is the provider's.
    """

    def __init__(
        self,
        name: str,
        settings: DirectorySettings,
        clock: Callable[[], float],
        addresses: AddressPolicy = ANY_ADDRESS,
    ) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._servers = ServerList(settings.addresses, clock)
        self._memory = AddressMemory(clock)
        self._addresses = addresses
        self._timeouts = Timeouts(
            settings.connect_timeout.total_seconds(), settings.answer_timeout.total_seconds()
        )
        self._threads = ThreadPoolExecutor(settings.connections, thread_name_prefix=f"ldap-{name}")
        self._waiting = 0
        self._context: ssl.SSLContext | None = None
        self._idle: list[tuple[LdapConnection, float]] = []
        self._lock = threading.Lock()
        self._sessions: set[DirectorySession] = set()

    async def start(self) -> None:
        """Read the certificates. Raises ProviderUnavailable if that fails."""
        file = self._settings.ca_file
        loop = asyncio.get_running_loop()
        try:
            self._context = await loop.run_in_executor(
                None, _tls_context, file, self._settings.ca_pem
            )
        except (OSError, ValueError) as exc:
            raise ProviderUnavailable(
                f"the provider {self._name!r} cannot read certificates of ca_file {file}: {exc}"
            ) from exc

    async def close(self) -> None:
        """Interrupt all operations and close all connections."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for session in list(self._sessions):
            session.abort()
        with self._lock:
            idle, self._idle = self._idle, []
        for wire, _ in idle:
            wire.close()

    async def run(self, work: Callable[[DirectorySession], T]) -> T:
        """Run ``work`` on a thread. Raises ProviderUnavailable, and the exceptions of ``work``."""
        if self._waiting >= self._settings.max_waiting + self._settings.connections:
            raise ProviderUnavailable(
                "too many operations wait for the directory", retry_after=RETRY_AFTER
            )
        session = DirectorySession(self)
        seconds = self._settings.sign_in_timeout.total_seconds()
        try:
            future = asyncio.wrap_future(self._threads.submit(self._do, session, work))
        except RuntimeError as exc:
            raise ProviderUnavailable(f"the provider {self._name!r} is closed") from exc
        self._waiting += 1
        self._sessions.add(session)
        try:
            done, _ = await asyncio.wait({future}, timeout=seconds)
            if not done:
                _LOG.warning("the directory took too long", provider=self._name, seconds=seconds)
                raise ProviderUnavailable(
                    f"the directory took longer than {seconds:g} s", retry_after=RETRY_AFTER
                )
            if future.cancelled():
                raise ProviderUnavailable(f"the provider {self._name!r} is closed")
            return future.result()
        finally:
            # After a timeout the operation still has a thread, or waits for one.
            future.cancel()
            session.abort()
            self._sessions.discard(session)
            self._waiting -= 1

    def _do(self, session: DirectorySession, work: Callable[[DirectorySession], T]) -> T:
        reusable = False
        try:
            if session.aborted:
                raise ProviderUnavailable("the caller no longer waits")
            outcome = work(session)
            reusable = True
            return outcome
        except Throttled:
            reusable = True  # not a failure of the directory
            raise
        except ProviderUnavailable as exc:
            _LOG.warning("the directory is unavailable", provider=self._name, problem=str(exc))
            raise
        finally:
            session.finish(reusable=reusable)
            requests = session.round_trips
            _LOG.debug("directory operation ended", provider=self._name, requests=requests)

    def take(self, session: DirectorySession, *, fresh: bool = False) -> LdapConnection:
        """Return a connection that is bound as the service account. Raises ProviderUnavailable."""
        wire = None if fresh else self._from_idle()
        if wire is not None:
            session.adopt(wire)
            return wire
        return self._connect(session, self._bind_service)

    def release(self, wire: LdapConnection, *, reusable: bool) -> None:
        """Keep a service account's connection for the next operation, if it is reusable."""
        if not reusable:
            wire.close()
            return
        with self._lock:
            self._idle.append((wire, self._clock()))

    def connection_broken(self, wire: LdapConnection) -> None:
        """Close a broken connection, and all idle connections to the same server."""
        self._servers.failed(wire.server)
        wire.close()
        with self._lock:
            gone = [one for one, _ in self._idle if one.server == wire.server]
            self._idle = [one for one in self._idle if one[0].server != wire.server]
        for one in gone:
            one.close()

    def on_any_server(self, session: DirectorySession, work: Callable[[LdapConnection], T]) -> T:
        """Run ``work`` on a new connection to the first usable server, then close it."""
        outcome: list[T] = []
        self._connect(session, lambda wire: outcome.append(work(wire))).close()
        return outcome[0]

    def _connect(
        self, session: DirectorySession, prepare: Callable[[LdapConnection], None]
    ) -> LdapConnection:
        """Return a prepared connection to the first usable server."""
        problems = []
        for server in self._servers.order():
            wire = LdapConnection(server, self._timeouts, self._memory, self._addresses)
            session.adopt(wire)
            try:
                self._open(wire)
                prepare(wire)
            except ConnectionBroken as exc:
                wire.close()
                if session.aborted:
                    raise
                self._servers.failed(server)
                problems.append(str(exc))
                continue
            except BaseException:
                wire.close()
                raise
            self._servers.worked(server)
            return wire
        raise ProviderUnavailable(
            f"no server of the directory is usable: {'; '.join(problems)}",
            retry_after=RETRY_AFTER,
        )

    def _open(self, wire: LdapConnection) -> None:
        if self._context is None:
            raise ProviderUnavailable(f"the provider {self._name!r} has not started")
        name = self._settings.tls_server_name or wire.server.host
        wire.open(self._context, name, start_tls=self._settings.start_tls)

    def _bind_service(self, wire: LdapConnection) -> None:
        dn, password = self._settings.bind_dn, self._settings.bind_password
        if dn is None or password is None:
            return  # searches are anonymous
        bound = wire.bind(dn, password.get_secret_value().encode())
        if not bound.accepted:
            raise ConnectionBroken(
                f"{wire.server} rejects the service account {dn!r}: {bound.code} {bound.message}"
            )

    def _from_idle(self) -> LdapConnection | None:
        stale = []
        found = None
        with self._lock:
            while self._idle and found is None:
                wire, since = self._idle.pop()
                if self._clock() - since < IDLE_SECONDS and self._is_first(wire.server):
                    found = wire
                else:
                    stale.append(wire)
        for wire in stale:
            wire.close()
        return found

    def _is_first(self, server: ServerAddress) -> bool:
        """Return whether ``server`` is the preferred one, so that a failover ends in time."""
        return self._servers.order()[0] == server


def _tls_context(ca_file: Path | None, ca_pem: str | None) -> ssl.SSLContext:
    context = tls_context(ca_file, ca_pem)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
