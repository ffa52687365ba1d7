"""Pages and the API's description are built once for all clients."""

import pytest

from tests.support.sekisho import Sekisho

PAGES = ["/", "/docs", "/openapi.json", "/static/page.css"]


@pytest.mark.parametrize("path", PAGES)
def test_page_with_matching_etag_returns_304(server: Sekisho, path: str) -> None:
    first = server.request("GET", path)
    assert first.status == 200
    tag = first.headers["ETag"]
    for known in (tag, f'"other", W/{tag}', "*"):
        again = server.request("GET", path, headers={"If-None-Match": known})
        assert (again.status, again.body) == (304, b"")
        assert again.headers["ETag"] == tag
    assert server.request("GET", path, headers={"If-None-Match": '"other"'}).body == first.body


@pytest.mark.parametrize("path", PAGES)
def test_page_is_built_once(server: Sekisho, path: str) -> None:
    assert server.request("GET", path).body == server.request("GET", path).body
