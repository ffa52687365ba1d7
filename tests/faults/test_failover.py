"""Failover between two API servers, while reads, writes and watches run."""

import http.client
import json
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from proxy.transport.certificates import KeyPair
from tests.faults.conftest import FaultSekisho, RealApiServers
from tests.faults.test_broken_answers import assert_status, errors
from tests.support.fault_proxy import FaultProxy
from tests.support.scripted_api_server import ReceivedRequest, ScriptedApiServer, issue
from tests.support.waiting import wait_until

CLUSTER = "/k8s/clusters/two"
MAPS = f"{CLUSTER}/api/v1/namespaces/default/configmaps"
ENOUGH = 20
"""How many requests each kind of client is to have made before and after the fault."""


@pytest.fixture(scope="module")
def shared_sekisho(
    prepared: FaultSekisho, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FaultSekisho]:
    """A Sekisho with a longer timeout, because an API server's first response takes seconds.

    It is shorter than the clients' 30 s, so that they receive the error.
    """
    limits = {
        "SEKISHO_UPSTREAM__CONNECT_TIMEOUT": "2s",
        "SEKISHO_UPSTREAM__RESPONSE_HEAD_TIMEOUT": "20s",
    }
    sekisho = prepared.copy(tmp_path_factory.mktemp("patient"), **limits)
    sekisho.start()
    yield sekisho
    assert sekisho.stop() == 0


@pytest.fixture(scope="module")
def two(two_api_servers: RealApiServers, shared_sekisho: FaultSekisho) -> RealApiServers:
    """The cluster ``two`` with both API servers."""
    cluster = two_api_servers.cluster
    servers = [part for url in cluster.servers for part in ("--server", url)]
    config = str(cluster.admin_kubeconfig)
    shared_sekisho.run("admin", "cluster", "import", "two", "--kubeconfig", config, *servers)
    wait_until(lambda: shared_sekisho.knows("two"), 20)
    return two_api_servers


class Clients:
    """Clients that read and write until they are stopped, and count their responses."""

    def __init__(self, sekisho: FaultSekisho) -> None:
        self.reads: Counter[int] = Counter()
        self.writes: Counter[int] = Counter()
        self.created: list[tuple[str, int]] = []
        self._sekisho = sekisho
        self._stop = threading.Event()

    @contextmanager
    def running(self) -> Iterator["Clients"]:
        """Run four readers and four writers."""
        with ThreadPoolExecutor(8) as pool:
            running = [pool.submit(self._read) for _ in range(4)]
            running += [pool.submit(self._write) for _ in range(4)]
            try:
                yield self
            finally:
                self._stop.set()
        for one in running:
            one.result()

    def await_more(self) -> None:
        """Wait until both kinds have sent enough further requests."""
        reads, writes = self.reads.total() + ENOUGH, self.writes.total() + ENOUGH
        wait_until(lambda: self.reads.total() >= reads and self.writes.total() >= writes, 80)

    def _read(self) -> None:
        while not self._stop.is_set():
            answer = self._sekisho.request("GET", MAPS + "?limit=5", token=self._sekisho.root)
            self.reads[answer.status] += 1

    def _write(self) -> None:
        while not self._stop.is_set():
            name = f"map-{uuid.uuid4().hex}"
            body = {"metadata": {"name": name}}
            answer = self._sekisho.request("POST", MAPS, token=self._sekisho.root, body=body)
            self.writes[answer.status] += 1
            self.created.append((name, answer.status))


class Watch(threading.Thread):
    """A client that watches like client-go: after a watch ends, it starts another."""

    def __init__(self, sekisho: FaultSekisho) -> None:
        super().__init__(daemon=True)
        self.begun = 0
        self.refused: Counter[int] = Counter()
        self.seen: set[str] = set()
        self._sekisho = sekisho
        self._stop_asked = threading.Event()

    def run(self) -> None:
        while not self._stop_asked.is_set():
            path = f"{MAPS}?watch=true&timeoutSeconds=5"
            with self._sekisho.open_request("GET", path) as answer:
                if answer.status != 200:
                    self.refused[answer.status] += 1
                    continue
                self.begun += 1
                try:
                    for line in answer:
                        event = json.loads(line)
                        self.seen.add(event["object"].get("metadata", {}).get("name", ""))
                except (http.client.IncompleteRead, ConnectionError, json.JSONDecodeError):
                    pass

    def await_more_than(self, begun: int) -> None:
        wait_until(lambda: self.begun > begun, 60, "another watch")

    def stop(self) -> None:
        self._stop_asked.set()
        self.join(60)
        assert not self.is_alive()


@contextmanager
def watching(sekisho: FaultSekisho) -> Iterator[list[Watch]]:
    """Run four watch clients."""
    watches = [Watch(sekisho) for _ in range(4)]
    for watch in watches:
        watch.start()
    try:
        yield watches
    finally:
        for watch in watches:
            watch.stop()


Fault = Callable[[RealApiServers, int], None]


def kill(api_servers: RealApiServers, api_server: int) -> None:
    api_servers.kill(api_server)


def freeze(api_servers: RealApiServers, api_server: int) -> None:
    api_servers.cluster.pause(api_server)


def start(api_servers: RealApiServers, api_server: int) -> None:
    api_servers.start(api_server)


def thaw(api_servers: RealApiServers, api_server: int) -> None:
    api_servers.cluster.resume(api_server)


@pytest.mark.timeout(300)  # A write on a frozen API server waits for the whole timeout, twice.
@pytest.mark.parametrize(
    ("fault", "repair"), [(kill, start), (freeze, thaw)], ids=["kill", "freeze"]
)
def test_reads_and_watches_continue_when_an_api_server_fails_and_no_write_is_repeated(
    sekisho: FaultSekisho, two: RealApiServers, fault: Fault, repair: Fault
) -> None:
    with watching(sekisho) as watches, Clients(sekisho).running() as clients:
        wait_until(lambda: all(watch.begun for watch in watches), 60)
        for api_server in (0, 1):
            clients.await_more()
            begun = [watch.begun for watch in watches]
            reads = Counter(clients.reads)
            fault(two, api_server)
            try:
                clients.await_more()
                # Each watch ended at its time or with its API server, and continues at the other.
                for watch, was in zip(watches, begun, strict=True):
                    watch.await_more_than(was)
                assert set(clients.reads - reads) == {200}, "no reader gets an error"
            finally:
                repair(two, api_server)
        clients.await_more()
    # An API server that has just started has no roles yet and responds 403 itself.
    assert set(clients.reads) <= {200, 403}
    assert set(clients.writes) <= {201, 403, 502, 503, 504}, "409: a write was repeated"
    assert clients.writes[201] > clients.writes.total() / 2
    assert all(set(watch.refused) <= {403} for watch in watches)
    made = [name for name, status in clients.created if status == 201]
    assert_all_there(sekisho, made)


def assert_all_there(sekisho: FaultSekisho, names: list[str]) -> None:
    """Assert that all objects whose creation succeeded exist."""
    listed = sekisho.request("GET", MAPS, token=sekisho.root).json()["items"]
    assert set(names) <= {one["metadata"]["name"] for one in listed}


def test_both_api_servers_down_gives_errors_and_one_back_serves(
    sekisho: FaultSekisho, two: RealApiServers
) -> None:
    for api_server in (0, 1):
        two.kill(api_server)
    try:
        before = errors(sekisho, "refused", "two")
        for method in ("GET", "POST"):
            answer = sekisho.request(method, MAPS, token=sekisho.root, body={})
            assert_status(answer, 503, "ServiceUnavailable", "two")
        assert errors(sekisho, "refused", "two") > before
    finally:
        for api_server in (0, 1):
            two.start(api_server)
    wait_until(lambda: sekisho.request("GET", MAPS, token=sekisho.root).status == 200, 60)


# Two scripted API servers, for faults that real ones cannot be made to have in time.


@pytest.fixture
def pair(
    sekisho: FaultSekisho, authority: KeyPair
) -> Iterator[tuple[ScriptedApiServer, ScriptedApiServer]]:
    with ScriptedApiServer(issue(authority)) as one, ScriptedApiServer(issue(authority)) as other:
        put_cluster_of(sekisho, "pair", authority, (one, one.url), (other, other.url))
        yield one, other


async def dies(received: ReceivedRequest) -> None:
    received.reset()


def test_read_on_a_dying_api_server_is_retried_on_the_other(
    sekisho: FaultSekisho, pair: tuple[ScriptedApiServer, ScriptedApiServer]
) -> None:
    pair[0].scripts["/x"] = dies
    for _ in range(6):
        answer = sekisho.request("GET", "/k8s/clusters/pair/x", token=sekisho.root)
        assert answer.status == 200
    assert "GET /x" in pair[0].received


def test_write_on_a_dying_api_server_fails_and_the_next_goes_to_the_other(
    sekisho: FaultSekisho, pair: tuple[ScriptedApiServer, ScriptedApiServer]
) -> None:
    for api_server in pair:
        api_server.scripts["/x"] = dies
    answer = sekisho.request("POST", "/k8s/clusters/pair/x", token=sekisho.root, body={})
    assert_status(answer, 502, "BadGateway", "pair")
    assert sum(api_server.received.count("POST /x") for api_server in pair) == 1


def test_read_that_no_api_server_answers_fails_after_each_was_tried(
    sekisho: FaultSekisho, pair: tuple[ScriptedApiServer, ScriptedApiServer]
) -> None:
    for api_server in pair:
        api_server.scripts["/x"] = dies
    answer = sekisho.request("GET", "/k8s/clusters/pair/x", token=sekisho.root)
    assert_status(answer, 502, "BadGateway", "pair")
    assert sum(api_server.received.count("GET /x") for api_server in pair) <= 4


def test_read_on_a_frozen_api_server_moves_to_the_other_before_its_timeout(
    sekisho: FaultSekisho, authority: KeyPair
) -> None:
    """On an open connection, only waiting reveals the fault."""
    with (
        ScriptedApiServer(issue(authority)) as one,
        ScriptedApiServer(issue(authority)) as other,
        FaultProxy(one.port) as between,
    ):
        put_cluster_of(sekisho, "half-frozen", authority, (one, between.url), (other, other.url))
        between.stall()
        started = time.monotonic()
        for _ in range(4):
            path = "/k8s/clusters/half-frozen/"
            assert sekisho.request("GET", path, token=sekisho.root).status == 200
        assert time.monotonic() - started < 30
        assert errors(sekisho, "connect_timeout", "half-frozen") >= 1


def test_stream_on_a_frozen_api_server_ends(sekisho: FaultSekisho, authority: KeyPair) -> None:
    """A quiet stream on a healthy API server continues."""

    async def stream(received: ReceivedRequest) -> None:
        await received.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await received.wait_until_closed()

    with (
        ScriptedApiServer(issue(authority)) as well,
        ScriptedApiServer(issue(authority)) as frozen,
        FaultProxy(frozen.port) as between,
    ):
        for name, api_server, url in (("well", well, well.url), ("frozen", frozen, between.url)):
            api_server.scripts["/stream"] = stream
            put_cluster_of(sekisho, name, authority, (api_server, url))
        with (
            sekisho.open_request("GET", "/k8s/clusters/well/stream") as quiet,
            sekisho.open_request("GET", "/k8s/clusters/frozen/stream") as dead,
        ):
            assert (quiet.read(5), dead.read(5)) == (b"hello", b"hello")
            between.stall()
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                dead.read()
            assert sekisho.metric("sekisho_requests_in_flight") == 1
            assert errors(sekisho, "truncated", "frozen") == 1


def put_cluster_of(
    sekisho: FaultSekisho,
    name: str,
    authority: KeyPair,
    *api_servers: tuple[ScriptedApiServer, str],
) -> None:
    """Create a cluster of these API servers, and wait until each got a request."""
    sekisho.put_cluster(name, [url for _, url in api_servers], authority.certificate_pem)

    def all_serve() -> bool:
        sekisho.request("GET", f"/k8s/clusters/{name}/", token=sekisho.root)
        return all(api_server.received for api_server, _ in api_servers)

    wait_until(all_serve, 30, "a response of each API server")
