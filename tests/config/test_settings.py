"""Tests of validation and normalization of settings."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from config.server_settings import origin
from config.settings import Settings


def errors_of(**values: Any) -> str:
    """Return the validation errors of settings."""
    with pytest.raises(ValidationError) as failure:
        Settings.model_validate(values)
    return str(failure.value)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://Gate.Example.com:443/", "https://gate.example.com"),
        ("HTTPS://gate.example.com:8443", "https://gate.example.com:8443"),
        ("https://[0:0::1]:8443", "https://[::1]:8443"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://localhost:8080", "http://localhost:8080"),
    ],
)
def test_external_url_is_normalized_to_an_origin(url: str, expected: str) -> None:
    assert Settings.model_validate({"server": {"external_url": url}}).external_url == expected


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ({}, ""),
        ({"registry": "registry.example/a/"}, "registry.example/a/sekisho:1.2"),
        ({"registry": "registry.example", "agent": "other.example/b:3"}, "other.example/b:3"),
    ],
)
def test_image_of_agents_is_the_one_of_this_version_in_the_registry(
    images: dict[str, str], expected: str
) -> None:
    assert Settings.model_validate({"images": images}).images.agent_image("1.2") == expected


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("gate.example.com", "must be a URL like"),
        ("ftp://gate.example.com", "must be a URL like"),
        ("https://", "must be a URL like"),
        ("https://user:secret@gate.example.com", "must be a URL like"),
        ("https://gate.example.com/sekisho", "must have no path"),
        ("https://gate.example.com?x", "must have no path"),
        ("http://gate.example.com", "must begin with https://"),
        ("https://bücher.example", "xn--"),
        ("https://a b", "xn--"),
        ("https://gate.example.com:99999", "out of range"),
        ("https://[::1", "Invalid IPv6"),
    ],
)
def test_invalid_external_url_is_rejected(url: str, why: str) -> None:
    assert why in errors_of(server={"external_url": url})


@given(st.text(max_size=30).map(lambda text: f"https://{text}"))
def test_origin_is_idempotent(url: str) -> None:
    try:
        found = origin(url)
    except ValueError:
        return
    assert origin(found) == found


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        (":8443", "https://127.0.0.1:8443"),
        ("0.0.0.0:1", "https://127.0.0.1:1"),
        ("[::]:1", "https://[::1]:1"),
        ("[fd00::1]:1", "https://[fd00::1]:1"),
        ("gate.example.com:443", "https://gate.example.com:443"),
    ],
)
def test_default_external_url_is_reachable(listen: str, expected: str) -> None:
    assert Settings.model_validate({"server": {"listen": listen}}).external_url == expected


@pytest.mark.parametrize("value", [30, 1.5, True, None])
def test_duration_without_a_unit_is_rejected(value: object) -> None:
    assert "needs a unit" in errors_of(sessions={"ttl": value})


def test_duration_of_zero_is_rejected() -> None:
    assert "must be longer than zero" in errors_of(upstream={"connect_timeout": "0s"})


def test_default_ttl_above_max_ttl_is_rejected() -> None:
    assert "default_ttl is longer than max_ttl" in errors_of(tokens={"default_ttl": "400d"})
    assert "kubeconfig_ttl is longer than max_ttl" in errors_of(
        tokens={"max_ttl": "1d", "default_ttl": "1h"}
    )
    settings = Settings.model_validate({"tokens": {"max_ttl": "500d", "default_ttl": "400d"}})
    assert settings.tokens.default_ttl == timedelta(days=400)


@pytest.mark.parametrize("listen", ["127.0.0.1:9443", ":9443", "0.0.0.0:9443"])
def test_metrics_listener_with_the_servers_address_is_rejected(listen: str) -> None:
    assert "listen is 127.0.0.1:9443, which server.listen has; change one" in errors_of(
        server={"listen": listen}
    )


@pytest.mark.parametrize(("value", "expected"), [(2, 2), ("4", 4), ("auto", "auto")])
def test_workers_may_be_a_number_or_auto(value: Any, expected: Any) -> None:
    assert Settings.model_validate({"server": {"workers": value}}).server.workers == expected


@pytest.mark.parametrize("value", [0, -1, 257, 1.5, True, None, "many", "9" * 5000])
def test_invalid_number_of_workers_is_rejected(value: object) -> None:
    assert "must be a number from 1 to 256, or auto" in errors_of(server={"workers": value})


def test_settings_with_several_workers_and_port_0_are_rejected() -> None:
    assert "give a port other than 0" in errors_of(server={"workers": 2, "listen": ":0"})


def test_both_listeners_may_use_port_0() -> None:
    Settings.model_validate({"server": {"listen": ":0"}, "metrics": {"listen": ":0"}})


def test_settings_are_frozen_and_show_no_secret() -> None:
    settings = Settings.model_validate({"store": {"encryption_keys": ["hunter2", "hunter3"]}})
    assert settings.store.encryption_keys is not None
    assert settings.store.encryption_keys.get_secret_value() == "hunter2\nhunter3"
    assert "hunter" not in repr(settings)
    with pytest.raises(ValidationError):
        settings.store.url = "sqlite:///x"


@pytest.mark.parametrize("setting", ["trusted_proxies", "proxy_protocol_from"])
@pytest.mark.parametrize("network", ["0.0.0.0/0", "::/0"])
def test_every_address_is_no_load_balancer(setting: str, network: str) -> None:
    found = errors_of(server={setting: ["10.0.0.0/8", network]})
    assert f"'{network}' is every address" in found
