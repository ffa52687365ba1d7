"""What settings refuse, and what they make of what they accept."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from config.settings import Settings, origin


def said(**values: Any) -> str:
    """What is wrong with those settings."""
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
def test_the_external_url_is_an_origin_as_browsers_write_it(url: str, expected: str) -> None:
    assert Settings.model_validate({"server": {"external_url": url}}).external_url == expected


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
def test_any_other_external_url_is_refused(url: str, why: str) -> None:
    assert why in said(server={"external_url": url})


@given(st.text(max_size=30).map(lambda text: f"https://{text}"))
def test_an_origin_is_its_own_origin(url: str) -> None:
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
def test_the_default_external_url_can_be_reached(listen: str, expected: str) -> None:
    assert Settings.model_validate({"server": {"listen": listen}}).external_url == expected


@pytest.mark.parametrize("value", [30, 1.5, True, None])
def test_a_duration_without_a_unit_is_refused(value: object) -> None:
    assert "needs a unit" in said(sessions={"ttl": value})


def test_a_duration_of_nothing_is_refused() -> None:
    assert "must be longer than nothing" in said(gate={"connect_timeout": "0s"})


def test_a_default_above_the_most_is_refused() -> None:
    assert "default_ttl is longer than max_ttl" in said(tokens={"default_ttl": "400d"})
    assert "kubeconfig_ttl is longer than max_ttl" in said(
        tokens={"max_ttl": "1d", "default_ttl": "1h"}
    )
    settings = Settings.model_validate({"tokens": {"max_ttl": "500d", "default_ttl": "400d"}})
    assert settings.tokens.default_ttl == timedelta(days=400)


@pytest.mark.parametrize("listen", ["127.0.0.1:9443", ":9443", "0.0.0.0:9443"])
def test_two_listeners_need_two_addresses(listen: str) -> None:
    assert "listen is 127.0.0.1:9443, which server.listen has; change one" in said(
        server={"listen": listen}
    )


@pytest.mark.parametrize(("value", "expected"), [(2, 2), ("4", 4), ("auto", "auto")])
def test_workers_are_a_number_or_as_many_as_there_are_cpus(value: Any, expected: Any) -> None:
    assert Settings.model_validate({"server": {"workers": value}}).server.workers == expected


@pytest.mark.parametrize("value", [0, -1, 257, 1.5, True, None, "many", "9" * 5000])
def test_any_other_number_of_workers_is_refused(value: object) -> None:
    assert "must be a number from 1 to 256, or auto" in said(server={"workers": value})


def test_several_workers_need_a_port_that_all_of_them_know() -> None:
    assert "name one, not 0" in said(server={"workers": 2, "listen": ":0"})


def test_both_may_have_any_free_port() -> None:
    Settings.model_validate({"server": {"listen": ":0"}, "metrics": {"listen": ":0"}})


def test_settings_can_not_be_changed_and_show_no_secret() -> None:
    settings = Settings.model_validate({"store": {"encryption_keys": ["hunter2", "hunter3"]}})
    assert settings.store.encryption_keys is not None
    assert settings.store.encryption_keys.get_secret_value() == "hunter2\nhunter3"
    assert "hunter" not in repr(settings)
    with pytest.raises(ValidationError):
        settings.store.url = "sqlite:///x"
