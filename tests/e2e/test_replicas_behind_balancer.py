"""Two replicas on PostgreSQL behind HAProxy, as docs/high-availability.md configures it.

One replica is killed, frozen, or cut off from the database while clients send requests. A client
that repeats a failed request once, when HAProxy has noticed the failure, sees none. A connection
that stays open at the replica without a database is ended by it.
"""

import http.client
import signal
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bench.failover_balancer import configuration, states
from proxy.transport.certificates import create_authority, issue_server
from proxy.workers.child_process import die_with_parent
from store.encryption import generate_key
from tests.support.fault_proxy import FaultProxy
from tests.support.sekisho import Sekisho, free_port, make_sekisho
from tests.support.waiting import wait_until

SERVED = 30
PATIENCE = 60.0


@dataclass(slots=True)
class Replica:
    """A replica, and its way to PostgreSQL."""

    sekisho: Sekisho
    relay: FaultProxy

    def kill(self) -> None:
        assert self.sekisho.process is not None
        self.sekisho.process.kill()

    def freeze(self) -> None:
        assert self.sekisho.process is not None
        self.sekisho.process.send_signal(signal.SIGSTOP)

    def cut_off(self) -> None:
        self.relay.refuse()

    def silence(self) -> None:
        self.relay.stall()


@dataclass(slots=True)
class Balanced:
    """Two replicas behind a load balancer at ``port``, and a user's token.

    ``folder`` has the balancer's socket.
    """

    folder: Path
    replicas: list[Replica]
    port: int
    trust: ssl.SSLContext
    token: str

    def connect(self, port: int | None = None) -> http.client.HTTPSConnection:
        """Return a connection to the balancer, or directly to a replica's port."""
        return http.client.HTTPSConnection(
            "127.0.0.1", port or self.port, context=self.trust, timeout=PATIENCE
        )

    def get(self, connection: http.client.HTTPSConnection) -> int:
        """Read the user's account, and return the status."""
        connection.request("GET", "/v1/me", headers={"Authorization": f"Bearer {self.token}"})
        response = connection.getresponse()
        response.read()
        return response.status

    def await_noticed(self) -> None:
        """Wait until the balancer opens connections to the second replica only."""
        found: list[str] = []

        def noticed() -> bool:
            found[:] = states(self.folder).values()
            return [one.startswith("UP") for one in found] == [False, True]

        wait_until(noticed, 120, lambda: f"HAProxy, which has {found}")


@pytest.fixture
def balanced(
    postgres_database: str, load_balancers: dict[str, Path], tmp_path: Path
) -> Iterator[Balanced]:
    now, day = datetime.now(UTC), timedelta(days=1)
    authority = create_authority("test", lifetime=day, now=now)
    pair = issue_server(authority, common_name="x", names=["127.0.0.1"], lifetime=day, now=now)
    for name, content in (
        ("ca.crt", authority.certificate_pem),
        ("tls.crt", pair.certificate_pem),
        ("tls.key", pair.key_pem),
        ("keys", generate_key().encode()),
    ):
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o600)
    port = urlsplit(postgres_database).port
    assert port
    with FaultProxy(port) as first, FaultProxy(port) as second:
        replicas = [
            Replica(_replica(tmp_path / str(one.port), postgres_database, port, one.port), one)
            for one in (first, second)
        ]
        replicas[0].sekisho.create_user("alice")
        token = replicas[0].sekisho.token("alice")
        try:
            for one in replicas:
                one.sekisho.start()
            with _haproxy(load_balancers["haproxy"], tmp_path, replicas) as public:
                trust = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
                yield Balanced(tmp_path, replicas, public, trust, token)
        finally:
            for one in replicas:
                if one.sekisho.process is not None:
                    one.sekisho.process.kill()
                    one.sekisho.process.wait()


def _replica(folder: Path, database: str, port: int, relayed: int) -> Sekisho:
    folder.mkdir()
    url = database.replace(f":{port}/", f":{relayed}/")
    server = "tls: {cert_file: ../tls.crt, key_file: ../tls.key, ca_file: ../ca.crt}"
    store = f"store: {{url: '{url}', encryption_keys_file: ../keys}}\n"
    made = make_sekisho(folder, (free_port(), free_port()), store)
    made.config.write_text(made.config.read_text().replace("server: {", f"server: {{{server}, "))
    return made


@contextmanager
def _haproxy(program: Path, folder: Path, replicas: list[Replica]) -> Iterator[int]:
    """Run HAProxy; yields its port once it serves."""
    port = free_port()
    file = folder / "haproxy.cfg"
    ports = [one.sekisho.port for one in replicas]
    file.write_text(configuration(folder, folder / "ca.crt", port, ports))
    with (folder / "haproxy.log").open("w") as log:
        process = subprocess.Popen(
            [*die_with_parent(), str(program), "-f", str(file)], stdout=log, stderr=log
        )
    try:
        wait_until(lambda: _accepts(port), 60, lambda: (folder / "haproxy.log").read_text())
        yield port
    finally:
        process.kill()
        process.wait()


def _accepts(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.connect()
    except OSError:
        return False
    connection.close()
    return True


class Client:
    """Reads again and again on one connection, which it opens again when it breaks.

    A request that fails is repeated once, when the balancer has noticed that a replica is lost.
    ``failed`` are those that failed twice.
    """

    def __init__(self, balanced: Balanced) -> None:
        self._balanced = balanced
        self._connection = balanced.connect()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.served = 0
        self.failed: list[int | str] = []

    def __enter__(self) -> "Client":
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._ended.set()
        self._thread.join()

    def await_more(self) -> None:
        """Wait until more requests have succeeded."""
        wanted = self.served + SERVED
        wait_until(lambda: self.served >= wanted, 120, lambda: f"responses after {self.failed}")

    def _run(self) -> None:
        while not self._ended.wait(0.02):
            result = self._try()
            if result != 200:
                self._balanced.await_noticed()
                result = self._try()
            if result == 200:
                self.served += 1
            else:
                self.failed.append(result)

    def _try(self) -> int | str:
        try:
            return self._balanced.get(self._connection)
        except (OSError, http.client.HTTPException) as exc:
            self._connection.close()
            return repr(exc)


@pytest.mark.parametrize("fault", [Replica.kill, Replica.freeze, Replica.cut_off, Replica.silence])
def test_clients_that_repeat_a_request_once_see_no_failure_of_a_replica(
    balanced: Balanced, fault: Callable[[Replica], None]
) -> None:
    with Client(balanced) as one, Client(balanced) as another:
        for client in (one, another):
            client.await_more()
        fault(balanced.replicas[0])
        for client in (one, another):
            client.await_more()
    assert one.failed == another.failed == []


def test_replica_without_database_ends_connections_after_its_response(balanced: Balanced) -> None:
    replica = balanced.replicas[0]
    connection = balanced.connect(replica.sekisho.port)
    assert balanced.get(connection) == 200
    replica.cut_off()
    try:
        # Known tokens are valid for another second.
        wait_until(lambda: balanced.get(connection) == 503, what="the loss of the database")
        assert connection.sock is None, "the connection is kept"
    finally:
        replica.relay.clear_faults()
    wait_until(lambda: balanced.get(connection) == 200, what="the return of the database")
