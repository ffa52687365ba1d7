"""Tests of the settings of the listener for other replicas."""

from typing import Any

import pytest
from pydantic import ValidationError

from config.listen import Listen
from config.settings import Settings


def settings(workers: int | str = 1, **peering: Any) -> Settings:
    return Settings.model_validate({"server": {"workers": workers}, "peering": peering})


def test_peering_is_off_by_default() -> None:
    assert Settings().peering.listener(0) is None
    assert Settings().peering.listeners("auto") == ()


def test_each_worker_has_a_port_of_its_own() -> None:
    found = settings(3, listen="10.0.0.1:9444").peering.listeners(3)
    assert found == tuple(Listen("10.0.0.1", port) for port in (9444, 9445, 9446))


def test_any_free_port_is_so_for_each_worker() -> None:
    assert settings(2, listen=":0").peering.listener(1) == Listen(None, 0)


@pytest.mark.parametrize(
    ("workers", "peering", "why"),
    [
        (1, {"listen": "9444"}, "is not host:port"),
        (1, {"listen": ":9443"}, "metrics.listen is 127.0.0.1:9443"),
        (4, {"listen": ":8440"}, "server.listen is 127.0.0.1:8443"),
        (4, {"listen": ":65533"}, "need a port each"),
        (1, {"advertise": "10.0.0.1"}, "set listen"),
        (1, {"listen": ":9444", "advertise": "10.0.0.1:9444"}, "without a port"),
        (1, {"listen": ":9444", "advertise": "a b"}, "must be a host name"),
    ],
)
def test_unusable_listener_is_refused_with_the_cause(
    workers: int, peering: dict[str, str], why: str
) -> None:
    with pytest.raises(ValidationError, match=why.replace(".", r"\.")):
        settings(workers, **peering)


@pytest.mark.parametrize("name", ["10.0.0.1", "sekisho-0.sekisho", "2001:db8::1", "[2001:db8::1]"])
def test_name_or_address_can_be_advertised(name: str) -> None:
    assert settings(listen=":9444", advertise=name).peering.advertise == name.strip("[]")


def test_clusters_cannot_be_imported_at_the_listener_of_a_worker() -> None:
    policy = settings(2, listen=":9500").cluster_addresses
    assert policy.refusal("127.0.0.1", 9501, this_machine=True) == (
        "127.0.0.1 port 9501 is a listener of Sekisho"
    )
    assert not policy.has_listener(9502)
