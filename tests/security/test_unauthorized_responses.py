"""A 401 from a cluster concerns Sekisho's credential only if the API server confirms it.

Otherwise it comes from an aggregated API, and is passed on.
"""

import json

import pytest

from tests.security.test_both_paths import leave_fast_path
from tests.security.world import World, wait_until
from tests.support.recording_upstream import json_response
from tests.support.wire import Wire

METRICS = b"/apis/metrics.k8s.io/v1beta1/nodes"
CHALLENGE = b"WWW-Authenticate: Basic realm=give-me-a-password"
BODY = {"kind": "Status", "code": 401, "message": "metrics-server knows you not"}
PATHS = ["fast", "standard"]


def connect_on_path(world: World, path: str) -> Wire:
    """Open a connection whose requests take the fast or the standard path."""
    wire = world.connect()
    wire.send(world.head(target=b"/k8s/clusters/a/first"))
    assert wire.read_response().status == 200
    if path == "standard":
        leave_fast_path(world, wire)
    world.a.clear_recording()
    return wire


def wait_for_status(wire: Wire, request: bytes, status: int) -> None:
    """Send ``request`` until the response has ``status``.

    The proxy caches for some seconds what the API server reported during an earlier test.
    """

    def has_status() -> bool:
        wire.send(request)
        return wire.read_response().status == status

    wait_until(has_status, 60)


def count_checks(world: World) -> int:
    return sum(one.target == b"/api" for one in world.a.requests())


def metrics_request(world: World, method: bytes = b"GET", *lines: bytes) -> bytes:
    return world.head(*lines, method=method, target=b"/k8s/clusters/a" + METRICS)


@pytest.mark.parametrize("path", PATHS)
def test_401_of_aggregated_api_is_passed_on_without_challenge(world: World, path: str) -> None:
    world.a.responses[METRICS] = json_response(401, BODY, CHALLENGE)
    with connect_on_path(world, path) as wire:
        wait_for_status(wire, metrics_request(world), 401)
        world.a.clear_recording()
        for _ in range(5):
            wire.send(metrics_request(world))
            response = wire.read_response()
            assert response.status == 401
            assert json.loads(response.body) == BODY
            assert response.header_values(b"WWW-Authenticate") == []
        wire.send(world.head(target=b"/k8s/clusters/a/api/v1/pods"))
        assert wire.read_response().status == 200
    assert count_checks(world) <= 1, "the API server's report is cached for a while"


@pytest.mark.parametrize("path", PATHS)
def test_401_without_length_is_passed_on_in_full(world: World, path: str) -> None:
    chunks = b"".join(b"%x\r\n%b\r\n" % (9000, b"x" * 9000) for _ in range(40))
    world.a.responses[METRICS] = (
        b"HTTP/1.1 401 No\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"
    )
    with connect_on_path(world, path) as wire:
        wait_for_status(wire, metrics_request(world), 401)
        wire.send(metrics_request(world))
        response = wire.read_response()
        assert (response.status, len(response.body)) == (401, 360_000)


@pytest.mark.parametrize("path", PATHS)
def test_401_to_write_is_passed_on_and_write_is_not_repeated(world: World, path: str) -> None:
    world.a.responses[METRICS] = json_response(401, BODY)
    with connect_on_path(world, path) as wire:
        wait_for_status(wire, metrics_request(world), 401)
        world.a.clear_recording()
        wire.send(metrics_request(world, b"POST", b"Content-Length: 2") + b"{}")
        assert wire.read_response().status == 401
    assert sum(one.target == METRICS for one in world.a.requests()) == 1


@pytest.mark.parametrize("path", PATHS)
def test_401_that_api_server_confirms_becomes_502(world: World, path: str) -> None:
    """With a 401 the client would discard its own, valid credential."""
    with connect_on_path(world, path) as wire:
        world.a.responses[b"/"] = json_response(401, BODY, CHALLENGE)
        wait_for_status(wire, metrics_request(world), 502)
        world.a.clear_recording()
        for _ in range(4):
            wire.send(metrics_request(world))
            response = wire.read_response()
            assert response.status == 502
            assert b"doesn't accept Sekisho's credential" in response.body
            assert response.header_values(b"WWW-Authenticate") == []
    assert count_checks(world) <= 2, "the API server is queried now and then, not for each request"


@pytest.mark.parametrize("path", PATHS)
def test_401_that_api_server_does_not_explain_becomes_502(world: World, path: str) -> None:
    with connect_on_path(world, path) as wire:
        world.a.responses[METRICS] = json_response(401, BODY)
        world.a.responses[b"/api"] = json_response(500, {})
        world.a.responses[b"/apis"] = json_response(401, BODY)
        wait_for_status(wire, metrics_request(world), 502)
        wait_until(lambda: b"it is unknown" in _response_body(wire, metrics_request(world)), 60)
        wire.send(metrics_request(world))
        response = wire.read_response()
        assert response.status == 502
        assert b"it is unknown whether the API server accepts" in response.body


def _response_body(wire: Wire, request: bytes) -> bytes:
    wire.send(request)
    return wire.read_response().body


def test_client_that_disconnects_during_401_check_affects_no_other(world: World) -> None:
    world.a.responses[METRICS] = json_response(401, BODY)
    for _ in range(3):
        with world.connect() as wire:
            world.a.clear_recording()
            wire.send(metrics_request(world))
            world.a.wait_for(1)
    assert world.send(world.head()).status == 200
