"""Failover between two real API servers, while reads, writes and watches run."""

from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.faults.clients import MAPS, Clients, watching
from tests.faults.conftest import FaultSekisho, RealApiServers
from tests.faults.patient import running_patiently
from tests.faults.test_broken_answers import assert_status, errors
from tests.support.waiting import wait_until


@pytest.fixture(scope="module")
def shared_sekisho(
    prepared: FaultSekisho, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FaultSekisho]:
    with running_patiently(prepared, tmp_path_factory.mktemp("patient")) as sekisho:
        yield sekisho


@pytest.fixture(scope="module")
def two(two_api_servers: RealApiServers, shared_sekisho: FaultSekisho) -> RealApiServers:
    """The cluster ``two`` with both API servers."""
    cluster = two_api_servers.cluster
    servers = [part for url in cluster.servers for part in ("--server", url)]
    config = str(cluster.admin_kubeconfig)
    shared_sekisho.change("admin", "cluster", "import", "two", "--kubeconfig", config, *servers)
    wait_until(lambda: shared_sekisho.knows("two"), 20)
    return two_api_servers


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
