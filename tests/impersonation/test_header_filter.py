"""Tests of which client headers are forwarded to a cluster."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impersonation.header_filter import connection_options, is_forwardable

IMPERSONATION = ["Impersonate-User", "Impersonate-Group", "Impersonate-Uid", "Impersonate-Extra-X"]


@pytest.mark.parametrize("name", IMPERSONATION)
def test_is_forwardable_rejects_each_spelling_of_an_impersonation_header(name: str) -> None:
    for spelt in (name, name.lower(), name.upper(), name.replace("-", "_"), name.swapcase()):
        assert not is_forwardable(spelt.encode())


def test_is_forwardable_rejects_an_unknown_impersonation_header_by_prefix() -> None:
    assert not is_forwardable(b"Impersonate-Something-New")
    assert not is_forwardable(b"IMPERSONATE")


@pytest.mark.parametrize(
    "name",
    [
        b"Authorization",
        b"Cookie",
        b"X-Remote-User",
        b"X_Remote_Group",
        b"X-Forwarded-For",
        b"X-Forwarded-Uri",
        b"Forwarded",
        b"X-Http-Method-Override",
        b"Proxy-Authorization",
        b"Proxy",
        b"Transfer-Encoding",
        b"Content_Length",
    ],
)
def test_is_forwardable_rejects_credentials_framing_and_path_headers(name: bytes) -> None:
    assert not is_forwardable(name)


@pytest.mark.parametrize(
    "name",
    [b"Accept", b"Content-Type", b"User-Agent", b"Kubectl-Command", b"X-Stream-Protocol-Version"],
)
def test_is_forwardable_accepts_headers_that_kubernetes_reads(name: bytes) -> None:
    assert is_forwardable(name)


@pytest.mark.parametrize("padding", [b"", b" " * 100])
def test_connection_options_are_lower_case_without_empty_ones(padding: bytes) -> None:
    assert connection_options(b"Keep-Alive, , X-Hop," + padding) == {b"keep-alive", b"x-hop"}


@given(st.text("abcdefgIMPERSONATEimpersonate-_", min_size=1, max_size=24).map(str.encode))
def test_is_forwardable_rejects_every_name_of_the_impersonation_family(name: bytes) -> None:
    if name.lower().replace(b"_", b"-").startswith(b"impersonate"):
        assert not is_forwardable(name)
