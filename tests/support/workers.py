"""The workers of a running Sekisho: which processes they are, and connections to one of them."""

import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.parts.sekisho import Answer, Sekisho


def worker_pids(sekisho: Sekisho) -> dict[int, int]:
    """The processes of workers, by number."""
    assert sekisho.process is not None
    pid = sekisho.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = {}
    for child in map(int, children):
        arguments = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
        if b"--worker" in arguments:
            found[int(arguments[arguments.index(b"--worker") + 1])] = child
    return found


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has buried doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


class Line:
    """A connection to Sekisho that stays open, and so stays with one worker."""

    def __init__(self, sekisho: Sekisho) -> None:
        ca = str(sekisho.folder / "data" / "tls" / "ca.crt")
        context = ssl.create_default_context(cafile=ca)
        self._http = http.client.HTTPSConnection(
            "127.0.0.1", sekisho.port, context=context, timeout=30
        )
        self._http.connect()
        self._ports = (sekisho.port, self._http.sock.getsockname()[1])

    def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request."""
        sent = {"Content-Type": "application/json"} if body is not None else {}
        raw = None if body is None else json.dumps(body)
        self._http.request(method, path, raw, {**sent, **(headers or {})})
        answer = self._http.getresponse()
        received = {name: ", ".join(answer.headers.get_all(name, [])) for name in answer.headers}
        return Answer(answer.status, received, answer.read())

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def held_by(self, pid: int) -> bool:
        """Whether that process has the other end."""
        ends = tuple(f"0100007F:{port:04X}" for port in self._ports)
        rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()]
        sockets = {f"socket:[{row[9]}]" for row in rows if (row[1], row[2]) == ends}
        return any(one in sockets for one in _descriptors(pid))


@contextmanager
def line_to_each(sekisho: Sekisho, attempts: int = 100) -> Iterator[list[Line]]:
    """A connection to every worker, in the order of their numbers."""
    pids = [pid for _, pid in sorted(worker_pids(sekisho).items())]
    lines: dict[int, Line] = {}
    others: list[Line] = []
    try:
        for _ in range(attempts):
            line = Line(sekisho)
            line.ask("GET", "/healthz")  # it has been taken, then
            pid = next(pid for pid in pids if line.held_by(pid))
            if lines.setdefault(pid, line) is not line:
                others.append(line)
            if len(lines) == len(pids):
                break
        yield [lines[pid] for pid in pids]
    finally:
        for line in (*lines.values(), *others):
            line.close()


def _descriptors(pid: int) -> Iterator[str]:
    for one in Path(f"/proc/{pid}/fd").iterdir():
        try:
            yield str(one.readlink())
        except OSError:  # closed while we look
            continue


def metrics_of_one(sockets: Path, number: int) -> str:
    """What a worker tells its supervisor; ``sockets`` is the TMPDIR that Sekisho was given."""
    (file,) = sockets.glob(f"sekisho-*/{number}.sock")
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(20)
        connection.connect(str(file))
        connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()
