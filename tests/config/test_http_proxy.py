"""URLs of HTTP proxies in settings and in the environment."""

from urllib.parse import quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.http_proxy import checked_proxy

ACCOUNTS = st.text(min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("me:hush@proxy:3128", "is not the URL"),
        ("proxy:3128", "is not the URL"),
        ("http://", "is not the URL"),
        ("http://pro xy:3128", "is not the URL"),
        ("http://a..b:3128", "is not the URL"),
        ("http://proxy:0", "is not the URL"),
        ("http://me:hush@[", "is not the URL"),
        ("socks5://me:hush@proxy:1080", "is a socks5 proxy"),
        ("http://me:20/hush@proxy:3128", "%2F"),
        ("http://me:20#hush@proxy:3128", "%23"),
        ("http://me:20?hush@proxy:3128", "%3F"),
    ],
)
def test_url_that_is_no_http_proxy_is_refused_and_no_part_of_it_is_shown(
    url: str, reason: str
) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        checked_proxy(url)
    for part in ("me:", "20", "hush"):
        assert part not in str(caught.value)


@given(ACCOUNTS, ACCOUNTS)
def test_host_of_an_accepted_proxy_is_never_a_part_of_its_account(user: str, password: str) -> None:
    encoded = f"http://{quote(user, safe='')}:{quote(password, safe='')}@proxy:3128"
    assert checked_proxy(encoded) == encoded
    try:
        accepted = checked_proxy(f"http://{user}:{password}@proxy:3128")
    except ValueError:
        return
    assert urlsplit(accepted).hostname == "proxy"
