"""Failover between two scripted API servers, for faults that real ones cannot have in time."""

import http.client
from collections.abc import Iterator

import pytest

from proxy.transport.certificates import KeyPair
from tests.faults.conftest import FaultSekisho
from tests.faults.patient import running_patiently
from tests.faults.test_broken_answers import assert_status, errors
from tests.support.fault_proxy import FaultProxy
from tests.support.scripted_api_server import ReceivedRequest, ScriptedApiServer, issue
from tests.support.waiting import wait_until, within


@pytest.fixture(scope="module")
def shared_sekisho(
    prepared: FaultSekisho, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FaultSekisho]:
    with running_patiently(prepared, tmp_path_factory.mktemp("patient")) as sekisho:
        yield sekisho


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
        with within(30):
            for _ in range(4):
                path = "/k8s/clusters/half-frozen/"
                assert sekisho.request("GET", path, token=sekisho.root).status == 200
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
