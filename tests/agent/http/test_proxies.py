"""Selection of an HTTP proxy by the command line and the agent, with kubectl's rules."""

import ipaddress
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.http.errors import InvalidProxy
from agent.http.proxies import excluded, proxy_for, shown

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


@pytest.mark.parametrize("mark", ["/", "?", "#"])
def test_proxy_whose_password_is_not_encoded_is_refused_and_no_part_of_it_is_shown(
    mark: str,
) -> None:
    with pytest.raises(InvalidProxy) as caught:
        proxy_for(
            "https://server.example", {"HTTPS_PROXY": f"http://agent:2024{mark}hush@proxy:3128"}
        )
    assert "%2F" in str(caught.value)
    for part in ("agent", "2024", "hush"):
        assert part not in str(caught.value)
    encoded = f"http://agent:2024{quote(mark, safe='')}hush@proxy:3128/"
    assert proxy_for("https://server.example", {"HTTPS_PROXY": encoded}) == encoded


def test_proxy_whose_host_is_no_name_is_reported_as_the_proxy() -> None:
    for proxy in ("http://pro xy:3128", "http://a..b:3128"):
        with pytest.raises(InvalidProxy, match="HTTPS_PROXY is not the URL of a proxy"):
            proxy_for("https://server.example", {"HTTPS_PROXY": proxy})


_LABEL = st.text("abcxyz019", min_size=1, max_size=6)
_NAMES = st.lists(_LABEL, min_size=1, max_size=4).map(".".join).filter(lambda one: one[-1] > "9")
_NETWORKS = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.integers(0, 32)),
    st.tuples(st.ip_addresses(v=6), st.integers(0, 128)),
)


@given(st.text(max_size=60), st.text(max_size=100), st.integers(0, 65535))
def test_any_no_proxy_is_read_without_an_error(host: str, no_proxy: str, port: int) -> None:
    excluded(host, port, no_proxy)


@given(_NETWORKS, st.ip_addresses(), st.lists(_NAMES, max_size=3))
def test_network_of_no_proxy_excludes_exactly_its_addresses(
    network: tuple[ipaddress.IPv4Address | ipaddress.IPv6Address, int],
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
    others: list[str],
) -> None:
    base, bits = network
    entry = f"{base}/{bits}"
    no_proxy = ", ".join([*others, entry])
    inside = address in ipaddress.ip_network(entry, strict=False)
    assert excluded(str(address), 443, no_proxy) == inside
    assert excluded(str(base), 443, no_proxy)


@given(_NAMES, _NAMES, st.sampled_from(["", ".", "*."]), st.booleans())
def test_name_of_no_proxy_excludes_names_below_it_only(
    name: str, other: str, prefix: str, upper: bool
) -> None:
    entry = prefix + (name.upper() if upper else name)
    assert excluded(f"www.{name}", 443, entry)
    assert excluded(name, 443, entry) == (not prefix)
    assert not excluded(f"x{name}" if prefix else f"{name}x.{name}x", 443, f"{entry}:8443")
    below = other == name and not prefix
    assert excluded(other, 443, entry) == (below or other.endswith(f".{name}"))


@given(_NAMES, st.integers(1, 65535), st.integers(1, 65535))
def test_port_of_no_proxy_excludes_that_port_only(name: str, port: int, other: int) -> None:
    assert excluded(name, other, f"{name}:{port}") == (port == other)


def test_shown_proxy_has_no_account() -> None:
    assert shown("http://me:hush@proxy.example:3128") == "proxy.example:3128"
    assert shown("https://me:hush@[2001:db8::1]") == "[2001:db8::1]"
