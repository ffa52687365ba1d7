"""Two real API servers on one etcd: one dies or freezes while readers, writers and watches run."""

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

from proxy.certificates import KeyPair
from tests.faults.conftest import Besieged, RealMasters
from tests.faults.test_broken_answers import assert_status, errors
from tests.parts.fault_proxy import FaultProxy
from tests.parts.scripted_master import Asked, ScriptedMaster, issue
from tests.parts.vitals import until

CLUSTER = "/k8s/clusters/two"
MAPS = f"{CLUSTER}/api/v1/namespaces/default/configmaps"
ENOUGH = 20
"""How many requests each kind of client is to have made before and after the fault."""


@pytest.fixture(scope="module")
def besieged(prepared: Besieged, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    """One that gives answers more time, for an API server's first takes some seconds.

    But less than the clients' own 30 s, or these would leave before they are told.
    """
    limits = {
        "SEKISHO_GATE__CONNECT_TIMEOUT": "2s",
        "SEKISHO_GATE__RESPONSE_HEAD_TIMEOUT": "20s",
    }
    sekisho = prepared.copy(tmp_path_factory.mktemp("patient"), **limits)
    sekisho.start()
    yield sekisho
    assert sekisho.stop() == 0


@pytest.fixture(scope="module")
def two(two_masters: RealMasters, besieged: Besieged) -> RealMasters:
    """The cluster ``two``, with both its masters."""
    cluster = two_masters.cluster
    servers = [part for url in cluster.servers for part in ("--server", url)]
    config = str(cluster.admin_kubeconfig)
    besieged.run("cluster", "import", "two", "--kubeconfig", config, *servers)
    until(lambda: besieged.knows("two"), 20)
    return two_masters


class Clients:
    """Readers and writers that go on until they are told to stop, and count what they get."""

    def __init__(self, sekisho: Besieged) -> None:
        self.reads: Counter[int] = Counter()
        self.writes: Counter[int] = Counter()
        self.created: list[tuple[str, int]] = []
        self._sekisho = sekisho
        self._stop = threading.Event()

    @contextmanager
    def running(self) -> Iterator["Clients"]:
        """Four of each."""
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
        """Return once enough further requests have been made by both kinds."""
        reads, writes = self.reads.total() + ENOUGH, self.writes.total() + ENOUGH
        until(lambda: self.reads.total() >= reads and self.writes.total() >= writes, 80)

    def _read(self) -> None:
        while not self._stop.is_set():
            answer = self._sekisho.ask("GET", MAPS + "?limit=5", token=self._sekisho.root)
            self.reads[answer.status] += 1

    def _write(self) -> None:
        while not self._stop.is_set():
            name = f"map-{uuid.uuid4().hex}"
            body = {"metadata": {"name": name}}
            answer = self._sekisho.ask("POST", MAPS, token=self._sekisho.root, body=body)
            self.writes[answer.status] += 1
            self.created.append((name, answer.status))


class Watch(threading.Thread):
    """Watches on and on, as client-go does: where a watch ends, another begins."""

    def __init__(self, sekisho: Besieged) -> None:
        super().__init__(daemon=True)
        self.begun = 0
        self.refused: Counter[int] = Counter()
        self.seen: set[str] = set()
        self._sekisho = sekisho
        self._stop_asked = threading.Event()

    def run(self) -> None:
        while not self._stop_asked.is_set():
            path = f"{MAPS}?watch=true&timeoutSeconds=5"
            with self._sekisho.asking("GET", path) as answer:
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
        until(lambda: self.begun > begun, 60, "another watch")

    def stop(self) -> None:
        self._stop_asked.set()
        self.join(60)
        assert not self.is_alive()


@contextmanager
def watching(sekisho: Besieged) -> Iterator[list[Watch]]:
    """Four of them."""
    watches = [Watch(sekisho) for _ in range(4)]
    for watch in watches:
        watch.start()
    try:
        yield watches
    finally:
        for watch in watches:
            watch.stop()


Fault = Callable[[RealMasters, int], None]


def kill(masters: RealMasters, master: int) -> None:
    masters.kill(master)


def freeze(masters: RealMasters, master: int) -> None:
    masters.cluster.pause(master)


def start(masters: RealMasters, master: int) -> None:
    masters.start(master)


def thaw(masters: RealMasters, master: int) -> None:
    masters.cluster.resume(master)


@pytest.mark.timeout(300)  # A write on a frozen master waits for its whole time, twice.
@pytest.mark.parametrize(("fault", "mend"), [(kill, start), (freeze, thaw)], ids=["kill", "freeze"])
def test_readers_and_watches_go_on_when_a_master_fails_and_no_write_is_repeated(
    sekisho: Besieged, two: RealMasters, fault: Fault, mend: Fault
) -> None:
    with watching(sekisho) as watches, Clients(sekisho).running() as clients:
        until(lambda: all(watch.begun for watch in watches), 60)
        for master in (0, 1):
            clients.await_more()
            begun = [watch.begun for watch in watches]
            reads = Counter(clients.reads)
            fault(two, master)
            try:
                clients.await_more()
                # Each watch has ended at its time or with its master, and goes on at the other.
                for watch, was in zip(watches, begun, strict=True):
                    watch.await_more_than(was)
                assert set(clients.reads - reads) == {200}, "no reader is told"
            finally:
                mend(two, master)
        clients.await_more()
    # An API server that has just started knows no roles yet and says 403; that is its own answer.
    assert set(clients.reads) <= {200, 403}
    assert set(clients.writes) <= {201, 403, 502, 503, 504}, "409: a write was repeated"
    assert clients.writes[201] > clients.writes.total() / 2
    assert all(set(watch.refused) <= {403} for watch in watches)
    made = [name for name, status in clients.created if status == 201]
    assert_all_there(sekisho, made)


def assert_all_there(sekisho: Besieged, names: list[str]) -> None:
    """What was said to be created is there."""
    listed = sekisho.ask("GET", MAPS, token=sekisho.root).json()["items"]
    assert set(names) <= {one["metadata"]["name"] for one in listed}


def test_with_both_masters_gone_each_client_is_told_and_one_that_returns_serves(
    sekisho: Besieged, two: RealMasters
) -> None:
    for master in (0, 1):
        two.kill(master)
    try:
        before = errors(sekisho, "refused", "two")
        for method in ("GET", "POST"):
            answer = sekisho.ask(method, MAPS, token=sekisho.root, body={})
            assert_status(answer, 503, "ServiceUnavailable", "two")
        assert errors(sekisho, "refused", "two") > before
    finally:
        for master in (0, 1):
            two.start(master)
    until(lambda: sekisho.ask("GET", MAPS, token=sekisho.root).status == 200, 60)


# Two scripted masters, for what a real one can't be made to do at the right moment.


@pytest.fixture
def pair(sekisho: Besieged, authority: KeyPair) -> Iterator[tuple[ScriptedMaster, ScriptedMaster]]:
    with ScriptedMaster(issue(authority)) as one, ScriptedMaster(issue(authority)) as other:
        put_pair(sekisho, "pair", authority, (one, one.url), (other, other.url))
        yield one, other


async def dies(asked: Asked) -> None:
    asked.reset()


def test_a_read_whose_master_dies_under_it_is_answered_by_the_other(
    sekisho: Besieged, pair: tuple[ScriptedMaster, ScriptedMaster]
) -> None:
    pair[0].scripts["/x"] = dies
    for _ in range(6):
        answer = sekisho.ask("GET", "/k8s/clusters/pair/x", token=sekisho.root)
        assert answer.status == 200
    assert "GET /x" in pair[0].asked


def test_a_write_whose_master_dies_under_it_is_told_so_and_the_next_goes_to_the_other(
    sekisho: Besieged, pair: tuple[ScriptedMaster, ScriptedMaster]
) -> None:
    for master in pair:
        master.scripts["/x"] = dies
    answer = sekisho.ask("POST", "/k8s/clusters/pair/x", token=sekisho.root, body={})
    assert_status(answer, 502, "BadGateway", "pair")
    assert sum(master.asked.count("POST /x") for master in pair) == 1


def test_a_read_that_no_master_answers_is_given_up_after_each_was_asked(
    sekisho: Besieged, pair: tuple[ScriptedMaster, ScriptedMaster]
) -> None:
    for master in pair:
        master.scripts["/x"] = dies
    answer = sekisho.ask("GET", "/k8s/clusters/pair/x", token=sekisho.root)
    assert_status(answer, 502, "BadGateway", "pair")
    assert sum(master.asked.count("GET /x") for master in pair) <= 4


def test_a_read_on_a_master_that_froze_moves_to_the_other_long_before_its_time_is_up(
    sekisho: Besieged, authority: KeyPair
) -> None:
    """On a connection that stood before, where nothing but waiting tells."""
    with (
        ScriptedMaster(issue(authority)) as one,
        ScriptedMaster(issue(authority)) as other,
        FaultProxy(one.port) as between,
    ):
        put_pair(sekisho, "half-frozen", authority, (one, between.url), (other, other.url))
        between.stall()
        started = time.monotonic()
        for _ in range(4):
            path = "/k8s/clusters/half-frozen/"
            assert sekisho.ask("GET", path, token=sekisho.root).status == 200
        assert time.monotonic() - started < 30
        assert errors(sekisho, "connect_timeout", "half-frozen") >= 1


def test_a_stream_on_a_master_that_froze_ends_so_that_its_client_may_go_elsewhere(
    sekisho: Besieged, authority: KeyPair
) -> None:
    """A quiet stream on a master that is well goes on."""

    async def stream(asked: Asked) -> None:
        await asked.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        await asked.hang()

    with (
        ScriptedMaster(issue(authority)) as well,
        ScriptedMaster(issue(authority)) as frozen,
        FaultProxy(frozen.port) as between,
    ):
        for name, master, url in (("well", well, well.url), ("frozen", frozen, between.url)):
            master.scripts["/stream"] = stream
            put_pair(sekisho, name, authority, (master, url))
        with (
            sekisho.asking("GET", "/k8s/clusters/well/stream") as quiet,
            sekisho.asking("GET", "/k8s/clusters/frozen/stream") as dead,
        ):
            assert (quiet.read(5), dead.read(5)) == (b"hello", b"hello")
            between.stall()
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                dead.read()
            assert sekisho.metric("sekisho_requests_in_flight") == 1
            assert errors(sekisho, "truncated", "frozen") == 1


def put_pair(
    sekisho: Besieged, name: str, authority: KeyPair, *masters: tuple[ScriptedMaster, str]
) -> None:
    """Make a cluster of these masters, each at its URL, and wait until each has been asked."""
    sekisho.put_cluster(name, [url for _, url in masters], authority.certificate_pem)

    def all_serve() -> bool:
        sekisho.ask("GET", f"/k8s/clusters/{name}/", token=sekisho.root)
        return all(master.asked for master, _ in masters)

    until(all_serve, 30, "an answer of each master")
