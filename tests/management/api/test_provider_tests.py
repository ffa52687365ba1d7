"""A provider test reveals nothing of the server's internal network to its manager."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from management.api.provider_tests import NOT_AVAILABLE
from tests.management.identity.providers import (
    TYPES,
    add,
    serving,
    trap,
)
from tests.support.sekisho import Sekisho, free_port
from tests.support.waiting import wait_until

PLACES = {
    "openldap": ("servers", "ldaps"),
    "freeipa": ("servers", "ldaps"),
    "activedirectory": ("servers", "ldaps"),
    "github": ("base_url", "https"),
    "oidc": ("issuer", "https"),
}


def _settings(kind: str, host: str, port: int) -> dict[str, Any]:
    field, scheme = PLACES[kind]
    place = f"{scheme}://{host}:{port}"
    return {**TYPES[kind], field: [place] if field == "servers" else place}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sekisho]:
    """Run Sekisho with the default address policy."""
    with serving(tmp_path_factory.mktemp("trials"), "clusters: {allow_networks: []}\n") as made:
        yield made


@pytest.fixture
def listening() -> Iterator[tuple[int, socket.socket]]:
    with trap() as found:
        yield found


def _arrived(trapped: socket.socket) -> bool:
    try:
        trapped.accept()[0].close()
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("kind", PLACES)
def test_provider_test_of_a_manager_reaches_no_loopback_address_and_hides_it(
    server: Sekisho,
    root: str,
    manager: str,
    listening: tuple[int, socket.socket],
    kind: str,
    host: str,
) -> None:
    port, trapped = listening
    said, name = [], ""
    for one in (port, free_port()):
        name, response = add(server, manager, kind, settings=_settings(kind, host, one))
        assert response.status == 201, response.body
        again = {"settings": _settings(kind, host, one)}
        for body in ({}, again):
            path = f"/v1/providers/{name}/test"
            tried = server.request("POST", path, token=manager, body=body)
            said.append((tried.status, tried.json()))
    assert said == [(200, {"outcome": "unavailable", "reason": NOT_AVAILABLE})] * 4
    assert not _arrived(trapped)
    if host == "127.0.0.1":
        logged = [
            one for one in server.log.splitlines() if name in one and "provider test failed" in one
        ]
        assert logged
        assert all("127.0.0.1 is a loopback address" in one for one in logged)


@pytest.mark.parametrize("address", ["169.254.169.254", "100.100.100.200", "[fd00:ec2::254]"])
@pytest.mark.parametrize("kind", PLACES)
def test_provider_test_of_a_manager_reaches_no_metadata_service(
    server: Sekisho, manager: str, kind: str, address: str
) -> None:
    name, response = add(server, manager, kind, settings=_settings(kind, address, 80))
    assert response.status == 201, response.body
    tried = server.request("POST", f"/v1/providers/{name}/test", token=manager, body={})
    assert tried.json() == {"outcome": "unavailable", "reason": NOT_AVAILABLE}


def test_provider_test_of_an_administrator_connects_and_shows_the_error(
    server: Sekisho, root: str, manager: str, listening: tuple[int, socket.socket]
) -> None:
    name, _ = add(server, root, settings=_settings("openldap", "127.0.0.1", free_port()))
    tried = server.request("POST", f"/v1/providers/{name}/test", token=root, body={})
    assert "refused" in tried.json()["reason"]


def test_provider_state_hides_network_errors_from_managers(
    server: Sekisho, root: str, manager: str
) -> None:
    settings = _settings("openldap", "127.0.0.1", free_port())
    name, response = add(server, manager, settings=settings, enabled=True)
    assert response.status == 201, response.body

    def error(token: str) -> str | None:
        shown: dict[str, str | None] = server.request(
            "GET", f"/v1/providers/{name}", token=token
        ).json()
        return shown["error"]

    wait_until(lambda: error(root) is not None, 120)
    assert "refused" in (error(root) or "")
    assert error(manager) == NOT_AVAILABLE
