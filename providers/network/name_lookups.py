"""Look up host names, so that a name whose DNS server is silent delays no other name.

A lookup by the system's resolver blocks a thread, up to half a minute if the DNS server does not
answer, and cannot be cancelled. Event loops have few threads for it: uvloop two, asyncio six or
more, which it shares with other work. Two requests to one silent name would stop all lookups.

Here, all who ask for a name wait for one lookup. Names that were slow share half of the threads.
The threads are daemons: the process does not wait for them when it ends.
"""

import asyncio
import socket
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from ipaddress import ip_address
from typing import Any, NamedTuple

THREADS = 64
"""Lookups at a time. More names than that wait for each other."""

SLOW_SECONDS = 2.0
"""From here on, a name is slow. An answer of a healthy DNS server takes milliseconds; a lost packet
is sent again after five seconds."""

MAX_SLOW_NAMES = 4096
"""Names that are remembered as slow."""

Results = list[Any]
"""What :func:`socket.getaddrinfo` returns."""


class _Question(NamedTuple):
    """What is looked up; each is looked up once at a time."""

    host: str
    port: int | None
    family: int
    flags: int


class NameLookups:
    """Lookups of all callers of a process, also of several event loops and threads.

    ``resolve`` is :func:`socket.getaddrinfo`, and ``threads`` how many of its calls run at a time.
    """

    def __init__(
        self,
        resolve: Callable[..., Results] | None = None,
        *,
        threads: int = THREADS,
        slow_seconds: float = SLOW_SECONDS,
    ) -> None:
        self._resolve = resolve
        self._most, self._most_slow = threads, max(1, threads // 2)
        self._slow_seconds = slow_seconds
        self._lock = threading.Lock()
        self._asked: dict[_Question, Future[Results]] = {}
        self._waiting: deque[_Question] = deque()
        self._waiting_slow: deque[_Question] = deque()
        self._threads = 0
        self._slow = 0
        self._slow_names: OrderedDict[str, None] = OrderedDict()

    async def look_up(
        self, host: str, port: int | None, *, family: int = 0, flags: int = 0
    ) -> Results:
        """Return the addresses of a host for TCP. If a caller gives up, the lookup goes on.

        Raises socket.gaierror, and UnicodeError for what can be no name.
        """
        if _is_address(host):
            return self._call(_Question(host, port, family, flags))
        begun = self.begin(host, port, family=family, flags=flags)
        return await asyncio.wrap_future(begun)

    def wait(self, host: str, port: int | None, seconds: float) -> Results:
        """Return the addresses as :meth:`look_up`, from a thread. Raises TimeoutError, too."""
        if _is_address(host):
            return self._call(_Question(host, port, 0, 0))
        return self.begin(host, port).result(seconds)

    def begin(
        self, host: str, port: int | None, *, family: int = 0, flags: int = 0
    ) -> Future[Results]:
        """Return the result of a lookup of this name that runs, or of a new one."""
        question = _Question(host, port, family, flags)
        with self._lock:
            known = self._asked.get(question)
            if known is not None:
                return known
            future: Future[Results] = Future()
            future.set_running_or_notify_cancel()  # No caller can cancel it for the others.
            self._asked[question] = future
            waiting = self._waiting_slow if host in self._slow_names else self._waiting
            waiting.append(question)
            starting = self._take()
        self._start(starting)
        return future

    def _take(self) -> tuple[_Question, bool] | None:
        """Take a question that may be looked up now, and whether its name is slow. Locked."""
        if self._threads < self._most and self._waiting:
            question, slow = self._waiting.popleft(), False
        elif self._threads < self._most and self._slow < self._most_slow and self._waiting_slow:
            question, slow = self._waiting_slow.popleft(), True
        else:
            return None
        self._threads += 1
        self._slow += slow
        return question, slow

    def _start(self, taken: tuple[_Question, bool] | None) -> None:
        if taken is None:
            return
        thread = threading.Thread(target=self._run, args=taken, name="name-lookup", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # The system has no more threads.
            self._end(*taken, error=socket.gaierror(socket.EAI_AGAIN, "no thread for a lookup"))

    def _run(self, question: _Question, slow: bool) -> None:
        began = time.monotonic()
        try:
            results, error = self._call(question), None
        except Exception as exc:  # For those who wait.
            results, error = [], exc
        self._remember(question.host, slow=time.monotonic() - began >= self._slow_seconds)
        self._end(question, slow, results, error)

    def _end(
        self,
        question: _Question,
        slow: bool,
        results: Results | None = None,
        error: Exception | None = None,
    ) -> None:
        """Pass the outcome on, and start a lookup that waited for the thread."""
        with self._lock:
            future = self._asked.pop(question)
            self._threads -= 1
            self._slow -= slow
            starting = self._take()
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(results or [])
        self._start(starting)

    def _remember(self, host: str, *, slow: bool) -> None:
        with self._lock:
            self._slow_names.pop(host, None)
            if slow:
                self._slow_names[host] = None
                if len(self._slow_names) > MAX_SLOW_NAMES:
                    self._slow_names.popitem(last=False)

    def _call(self, question: _Question) -> Results:
        resolve = self._resolve or socket.getaddrinfo
        return resolve(
            question.host,
            question.port,
            family=question.family,
            type=socket.SOCK_STREAM,
            flags=question.flags,
        )


def _is_address(host: str) -> bool:
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


LOOKUPS = NameLookups()
"""The lookups of this process."""
