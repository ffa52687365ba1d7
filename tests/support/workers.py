"""Processes of the workers of a running Sekisho, and connections to a given worker."""

import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.metrics_text import metric_of
from tests.support.sekisho import HttpResponse, Sekisho
from tests.support.waiting import wait_until


def worker_pids(sekisho: Sekisho) -> dict[int, int]:
    """Return the process ids of the workers by number."""
    assert sekisho.process is not None
    pid = sekisho.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    pids = {}
    for child in map(int, children):
        try:
            arguments = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):  # It has ended meanwhile.
            continue
        if b"--worker" in arguments:
            pids[int(arguments[arguments.index(b"--worker") + 1])] = child
    return pids


def alive(pid: int) -> bool:
    """Return whether a process runs. A zombie doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


class WorkerConnection:
    """A persistent connection to Sekisho, which one worker serves."""

    def __init__(self, sekisho: Sekisho) -> None:
        ca = str(sekisho.folder / "data" / "tls" / "ca.crt")
        context = ssl.create_default_context(cafile=ca)
        self._http = http.client.HTTPSConnection(
            "127.0.0.1", sekisho.port, context=context, timeout=120
        )
        self._http.connect()
        self._ports = (sekisho.port, self._http.sock.getsockname()[1])

    def request(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> HttpResponse:
        """Send one request."""
        all_headers = {"Content-Type": "application/json"} if body is not None else {}
        raw = None if body is None else json.dumps(body)
        self._http.request(method, path, raw, {**all_headers, **(headers or {})})
        response = self._http.getresponse()
        received = {
            name: ", ".join(response.headers.get_all(name, [])) for name in response.headers
        }
        return HttpResponse(response.status, received, response.read())

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def is_served_by(self, pid: int) -> bool:
        """Return whether the process has the server's end of the connection."""
        ends = tuple(f"0100007F:{port:04X}" for port in self._ports)
        rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()]
        sockets = {f"socket:[{row[9]}]" for row in rows if (row[1], row[2]) == ends}
        return any(one in sockets for one in _descriptors(pid))


@contextmanager
def connections_to_workers(
    sekisho: Sekisho, attempts: int = 100
) -> Iterator[list[WorkerConnection]]:
    """Open a connection to each worker, in the order of their numbers."""
    pids = [pid for _, pid in sorted(worker_pids(sekisho).items())]
    connections: dict[int, WorkerConnection] = {}
    others: list[WorkerConnection] = []
    try:
        for _ in range(attempts):
            connection = WorkerConnection(sekisho)
            connection.request("GET", "/healthz")  # now a worker has accepted it
            pid = next(pid for pid in pids if connection.is_served_by(pid))
            if connections.setdefault(pid, connection) is not connection:
                others.append(connection)
            if len(connections) == len(pids):
                break
        yield [connections[pid] for pid in pids]
    finally:
        for connection in (*connections.values(), *others):
            connection.close()


def _descriptors(pid: int) -> Iterator[str]:
    for one in Path(f"/proc/{pid}/fd").iterdir():
        try:
            yield str(one.readlink())
        except OSError:  # closed meanwhile
            continue


def metrics_of_all(sekisho: Sekisho, *lines: str) -> list[float]:
    """Return metrics at a moment, as :meth:`Sekisho.metric`, when every worker has sent its own.

    Those of a worker that takes more than a second, on a busy machine, are missing or old.
    """
    texts: list[str] = []

    def is_whole() -> bool:
        texts[:] = [sekisho.get_monitoring("/metrics")]
        numbers = worker_pids(sekisho)
        return all(metric_of(texts[0], f'sekisho_worker_up{{worker="{n}"}}') == 1 for n in numbers)

    wait_until(is_whole, what="the metrics of all workers")
    return [metric_of(texts[0], line) for line in lines]


def worker_metrics(sockets: Path, number: int) -> str:
    """Return the metrics that a worker sends to its supervisor.

    ``sockets`` is the TMPDIR of Sekisho.
    """
    (file,) = sockets.glob(f"sekisho-*/{number}.sock")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(120)
        connection.connect(str(file))
        connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
