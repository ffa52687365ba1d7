"""Selection of an HTTP proxy by the command line and the agent, with kubectl's rules."""

import pytest

from agent.http.errors import InvalidProxy
from agent.http.proxies import proxy_for

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("url", "no_proxy", "used"),
    [
        ("https://server.example", "", True),
        ("https://server.example", "other.example", True),
        ("https://server.example", "server.example", False),
        ("https://server.example", "SERVER.example ", False),
        ("https://server.example", "example", False),
        ("https://server.example", ".example", False),
        ("https://server.example", "*.example", False),
        ("https://server.example", ".server.example", True),
        ("https://server.example", "ver.example", True),
        ("https://server.example", "a, server.example:443 ,b", False),
        ("https://server.example:8443", "server.example:443", True),
        ("https://server.example:8443", "server.example:8443", False),
        ("https://server.example.", "server.example", False),
        ("https://server.example", "*", False),
        ("https://server.example", ",,", True),
        ("https://10.1.2.3", "10.0.0.0/8", False),
        ("https://10.1.2.3", "10.1.2.3", False),
        ("https://10.1.2.3", "10.1.2.3:443", False),
        ("https://10.1.2.3", "192.168.0.0/16,2.3", True),
        ("https://10.1.2.3", "10.0.0.0/99,[", True),
        ("https://[2001:db8::1]", "2001:db8::/32", False),
        ("https://[2001:db8::1]", "[2001:db8::1]:443", False),
        ("https://[2001:db8::1]", "2001:db8:0::1", False),
        ("https://127.0.0.1", "", False),
        ("https://127.8.8.8:99", "", False),
        ("https://[::1]", "", False),
        ("https://localhost:8443", "", False),
    ],
)
def test_http_proxy_is_used_unless_no_proxy_names_the_host(
    url: str, no_proxy: str, used: bool
) -> None:
    for names in (("HTTPS_PROXY", "NO_PROXY"), ("https_proxy", "no_proxy")):
        environ = dict(zip(names, (PROXY, no_proxy), strict=True))
        assert proxy_for(url, environ) == (PROXY if used else None)


def test_http_proxy_is_selected_by_scheme_and_upper_case_takes_precedence() -> None:
    environ = {"HTTP_PROXY": "http://a", "https_proxy": "b:1", "HTTPS_PROXY": "c:2"}
    assert proxy_for("http://server.example", environ) == "http://a"
    assert proxy_for("https://server.example", environ) == "http://c:2"
    assert proxy_for("https://server.example", {"ALL_PROXY": "http://d"}) is None


@pytest.mark.parametrize(
    "proxy", ["socks5://user:hush@proxy:1080", "http://", "http://user:hush@[", "http://x:0", "x:y"]
)
def test_unusable_http_proxy_is_reported_without_its_password(proxy: str) -> None:
    with pytest.raises(InvalidProxy) as caught:
        proxy_for("https://server.example", {"HTTPS_PROXY": proxy})
    assert "HTTPS_PROXY" in str(caught.value)
    assert "hush" not in str(caught.value)
