"""Which header lines go on to a cluster."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from impersonation.inbound import goes_on, named_by_connection, passed_on

IMPERSONATION = ["Impersonate-User", "Impersonate-Group", "Impersonate-Uid", "Impersonate-Extra-X"]


@pytest.mark.parametrize("name", IMPERSONATION)
def test_no_spelling_of_an_impersonation_header_goes_on(name: str) -> None:
    for spelt in (name, name.lower(), name.upper(), name.replace("-", "_"), name.swapcase()):
        assert not goes_on(spelt.encode())


def test_an_impersonation_header_of_tomorrow_is_dropped_by_its_prefix() -> None:
    assert not goes_on(b"Impersonate-Something-New")
    assert not goes_on(b"IMPERSONATE")


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
def test_credentials_framing_and_claims_about_the_way_do_not_go_on(name: bytes) -> None:
    assert not goes_on(name)


@pytest.mark.parametrize(
    "name",
    [b"Accept", b"Content-Type", b"User-Agent", b"Kubectl-Command", b"X-Stream-Protocol-Version"],
)
def test_what_kubernetes_reads_goes_on(name: bytes) -> None:
    assert goes_on(name)


def test_lines_named_by_connection_are_hop_by_hop() -> None:
    headers = [(b"Connection", b"keep-alive, X-Hop"), (b"X-Hop", b"1"), (b"Accept", b"*/*")]
    assert named_by_connection(headers) == {b"keep-alive", b"x-hop"}
    assert passed_on(headers) == [(b"Accept", b"*/*")]


@given(
    st.lists(
        st.tuples(
            st.text("abcdefgIMPERSONATEimpersonate-_", min_size=1, max_size=24).map(str.encode),
            st.binary(max_size=8),
        )
    )
)
def test_whatever_comes_in_nothing_of_the_family_goes_on(
    headers: list[tuple[bytes, bytes]],
) -> None:
    for name, _ in passed_on(headers):
        assert not name.lower().replace(b"_", b"-").startswith(b"impersonate")
