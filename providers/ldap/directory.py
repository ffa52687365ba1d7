"""A directory, as asked from the event loop: threads, connections, fail-over, deadlines.

ldap3 blocks, so it has threads of its own, ``connections`` of them. What is asked of a directory
(sign somebody in, search) is one piece of work on one thread, with a :class:`Session`:

* searches go over a connection bound as the service account, which is kept for the next work;
* a password is verified by a bind on a fresh connection, which is closed at once: nothing is ever
  searched with somebody else's rights.

So the directory sees twice as many connections as there are threads at the most, however many
people sign in. Work that finds no thread waits; more than ``max_waiting`` are turned away. Each
has a deadline that begins when it is asked for: then its caller is told that the directory is
unavailable, and its connections are shut so that its thread comes back soon.

A search that breaks is repeated once on a new connection, perhaps with another server.
"""

import asyncio
import ssl
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import structlog

from providers.base import ProviderUnavailable
from providers.ldap_answers import Bound, Entry
from providers.ldap_servers import ServerAddress, ServerLine
from providers.ldap_settings import DirectorySettings
from providers.ldap_wire import ConnectionBroken, Patience, Scope, Wire

IDLE_SECONDS = 60.0
"""A connection that wasn't used for so long isn't trusted to be one: firewalls forget them."""

RETRY_AFTER = 5
"""Seconds after which to come back, where a directory is down or busy."""

_LOG = structlog.get_logger("sekisho.directory")
T = TypeVar("T")


class Session:
    """The connections of one piece of work. Used by one thread; ``abort`` may come from any."""

    def __init__(self, directory: "Directory") -> None:
        self._directory = directory
        self._wires: list[Wire] = []
        self._service: Wire | None = None
        self._aborted = False
        self._lock = threading.Lock()
        self.round_trips = 0
        """Questions that were asked, for those who count."""

    def search(
        self, base: str, search_filter: str, attributes: Sequence[str], scope: Scope = "SUBTREE"
    ) -> list[Entry]:
        """All that the filter finds, as the service account sees it. Raises ProviderUnavailable."""
        return self._twice(lambda wire: wire.search(base, search_filter, attributes, scope))

    def some(
        self, base: str, search_filter: str, attributes: Sequence[str], limit: int
    ) -> list[Entry]:
        """Up to ``limit`` of what the filter finds. Raises ProviderUnavailable."""
        return self._twice(lambda wire: wire.some(base, search_filter, attributes, limit))

    def verify(self, dn: str, password: bytes) -> Bound:
        """What the directory says to this password. Raises ProviderUnavailable."""
        self.round_trips += 1
        return self._directory.on_any_server(self, lambda wire: wire.bind(dn, password))

    def adopt(self, wire: Wire) -> None:
        """Count a connection as this session's, so that it ends with it."""
        with self._lock:
            self._wires.append(wire)
            aborted = self._aborted
        if aborted:
            wire.abort()

    def abort(self) -> None:
        """End whatever the session's thread waits for."""
        with self._lock:
            self._aborted = True
            wires = list(self._wires)
        for wire in wires:
            wire.abort()

    @property
    def aborted(self) -> bool:
        """Whether nobody waits for the outcome any more."""
        return self._aborted

    def finish(self, *, well: bool) -> None:
        """Give the service account's connection back, or close it."""
        with self._lock:
            wire, self._service = self._service, None
            self._wires.clear()
            well = well and not self._aborted
        if wire is not None:
            self._directory.give_back(wire, well=well)

    def _twice(self, work: Callable[[Wire], T]) -> T:
        self.round_trips += 1
        if self._service is None:
            self._service = self._directory.take(self)
        try:
            return work(self._service)
        except ConnectionBroken as exc:
            if self._aborted:
                raise
            _LOG.info("a directory connection broke; trying once more", problem=str(exc))
            self._directory.broke(self._service)
            self._service = None
            self._service = self._directory.take(self, fresh=True)
            return work(self._service)


class Directory:
    """See the module's text. ``name`` is the provider's."""

    def __init__(self, name: str, settings: DirectorySettings, clock: Callable[[], float]) -> None:
        self._name = name
        self._settings = settings
        self._clock = clock
        self._line = ServerLine(settings.addresses, clock)
        self._patience = Patience(
            settings.connect_timeout.total_seconds(), settings.answer_timeout.total_seconds()
        )
        self._threads = ThreadPoolExecutor(settings.connections, thread_name_prefix=f"ldap-{name}")
        self._waiting = 0
        self._context: ssl.SSLContext | None = None
        self._idle: list[tuple[Wire, float]] = []
        self._lock = threading.Lock()
        self._sessions: set[Session] = set()

    async def start(self) -> None:
        """Read the certificates. Raises ProviderUnavailable where they can't be."""
        file = self._settings.ca_file
        loop = asyncio.get_running_loop()
        try:
            self._context = await loop.run_in_executor(None, _tls_context, file)
        except (OSError, ValueError) as exc:
            raise ProviderUnavailable(
                f"the provider {self._name!r} can't read certificates from ca_file {file}: {exc}"
            ) from exc

    async def close(self) -> None:
        """Hang up, whatever is going on."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        for session in list(self._sessions):
            session.abort()
        with self._lock:
            idle, self._idle = self._idle, []
        for wire, _ in idle:
            wire.close()

    async def run(self, work: Callable[[Session], T]) -> T:
        """Do ``work`` on a thread. Raises ProviderUnavailable, and whatever else ``work`` does."""
        if self._waiting >= self._settings.max_waiting + self._settings.connections:
            raise ProviderUnavailable("too many wait for the directory", retry_after=RETRY_AFTER)
        session = Session(self)
        seconds = self._settings.sign_in_timeout.total_seconds()
        try:
            doing = asyncio.wrap_future(self._threads.submit(self._do, session, work))
        except RuntimeError as exc:
            raise ProviderUnavailable(f"the provider {self._name!r} is closed") from exc
        self._waiting += 1
        self._sessions.add(session)
        try:
            done, _ = await asyncio.wait({doing}, timeout=seconds)
            if not done:
                _LOG.warning("the directory took too long", provider=self._name, seconds=seconds)
                raise ProviderUnavailable(
                    f"the directory took longer than {seconds:g} s", retry_after=RETRY_AFTER
                )
            if doing.cancelled():
                raise ProviderUnavailable(f"the provider {self._name!r} is closed")
            return doing.result()
        finally:
            # Whoever gives up leaves a thread behind, or its place in the line.
            doing.cancel()
            session.abort()
            self._sessions.discard(session)
            self._waiting -= 1

    def _do(self, session: Session, work: Callable[[Session], T]) -> T:
        well = False
        try:
            if session.aborted:
                raise ProviderUnavailable("nobody waits for it any more")
            outcome = work(session)
            well = True
            return outcome
        except ProviderUnavailable as exc:
            _LOG.warning("the directory is unavailable", provider=self._name, problem=str(exc))
            raise
        finally:
            session.finish(well=well)

    def take(self, session: Session, *, fresh: bool = False) -> Wire:
        """A connection bound as the service account. Raises ProviderUnavailable."""
        wire = None if fresh else self._from_idle()
        if wire is not None:
            session.adopt(wire)
            return wire
        return self._connect(session, self._bind_service)

    def give_back(self, wire: Wire, *, well: bool) -> None:
        """Keep a service account's connection for the next work, where it is well."""
        if not well:
            wire.close()
            return
        with self._lock:
            self._idle.append((wire, self._clock()))

    def broke(self, wire: Wire) -> None:
        """A connection stopped working: away with it, and with the server's others."""
        self._line.failed(wire.server)
        wire.close()
        with self._lock:
            gone = [one for one, _ in self._idle if one.server == wire.server]
            self._idle = [one for one in self._idle if one[0].server != wire.server]
        for one in gone:
            one.close()

    def on_any_server(self, session: Session, work: Callable[[Wire], T]) -> T:
        """Do ``work`` on a fresh connection to the first server that can. Closes it."""
        outcome: list[T] = []
        self._connect(session, lambda wire: outcome.append(work(wire))).close()
        return outcome[0]

    def _connect(self, session: Session, prepare: Callable[[Wire], None]) -> Wire:
        """A connection to the first server that can be used, prepared."""
        problems = []
        for server in self._line.order():
            wire = Wire(server, self._patience)
            session.adopt(wire)
            try:
                self._open(wire)
                prepare(wire)
            except ConnectionBroken as exc:
                wire.close()
                if session.aborted:
                    raise
                self._line.failed(server)
                problems.append(str(exc))
                continue
            except BaseException:
                wire.close()
                raise
            self._line.worked(server)
            return wire
        raise ProviderUnavailable(
            f"no server of the directory can be used: {'; '.join(problems)}",
            retry_after=RETRY_AFTER,
        )

    def _open(self, wire: Wire) -> None:
        if self._context is None:
            raise ProviderUnavailable(f"the provider {self._name!r} isn't started")
        name = self._settings.tls_server_name or wire.server.host
        wire.open(self._context, name, start_tls=self._settings.start_tls)

    def _bind_service(self, wire: Wire) -> None:
        dn, password = self._settings.bind_dn, self._settings.bind_password
        if dn is None or password is None:
            return  # searches are anonymous
        bound = wire.bind(dn, password.get_secret_value().encode())
        if not bound.accepted:
            raise ConnectionBroken(
                f"{wire.server} refuses the service account {dn!r}: {bound.code} {bound.message}"
            )

    def _from_idle(self) -> Wire | None:
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
        """Whether this is the server to ask now: after a fail-over, back to the first one."""
        return self._line.order()[0] == server


def _tls_context(file: object) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(file) if file is not None else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
