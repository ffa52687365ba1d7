"""Tests of the URLs that settings of providers accept."""

import pytest

from providers.http.urls import is_loopback, secure_url


@pytest.mark.parametrize(
    "url", ["https://id.example.com/realms/a", "http://127.0.0.1:8080", "http://localhost/x"]
)
def test_secure_url_with_https_or_loopback_returns_it_unchanged(url: str) -> None:
    assert secure_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        *("http://id.example.com", "ftp://id.example.com", "id.example.com", "https://"),
        *("https://user@id.example.com", "https://:hush@id.example.com"),
        *("https://id.example.com?a=b", "https://id.example.com#a"),
        "http://localhost.example.com",
    ],
)
def test_secure_url_with_another_form_raises(url: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        secure_url(url)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.2", "::1"])
def test_is_loopback_of_local_hosts_is_true(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["localhost.example.com", "10.0.0.1", "::"])
def test_is_loopback_of_other_hosts_is_false(host: str) -> None:
    assert not is_loopback(host)
