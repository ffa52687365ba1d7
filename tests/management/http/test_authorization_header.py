"""Parsing of the Authorization header."""

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.http.authorization_header import (
    MAX_CREDENTIAL_BYTES,
    InvalidAuthorization,
    bearer_from,
)

_VISIBLE = st.binary(min_size=1, max_size=200).filter(lambda raw: not set(raw) & set(b" \t\r\n"))
_SCHEMES = st.sampled_from([b"Bearer", b"bearer", b"BEARER"])


@given(_SCHEMES, _VISIBLE)
def test_bearer_is_returned_unchanged(scheme: bytes, credential: bytes) -> None:
    assert bearer_from(scheme + b" " + credential) == credential


@given(st.binary(min_size=1, max_size=200))
def test_basic_name_and_secret_equal_the_bearer(credential: bytes) -> None:
    assert bearer_from(b"Basic " + base64.b64encode(credential)) == credential


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_a_credential_or_rejected(value: bytes) -> None:
    with contextlib.suppress(InvalidAuthorization):
        assert bearer_from(value)


def test_rejection_does_not_repeat_the_credential() -> None:
    for value in (b"Basic hunter2!", b"Bearer hunter2 x", b"hunter2", b"Bearer hunter2" * 999):
        with pytest.raises(InvalidAuthorization) as caught:
            bearer_from(value)
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"Bearer",
        b"Bearer ",
        b"Bearer a b",
        b"Bearer a, Bearer b",
        b"Basic",
        b"Basic a",
        b"Basic YQ== YQ==",
        b"Negotiate YII",
        b"token-x:secret",
        b"Bearer " + b"x" * (MAX_CREDENTIAL_BYTES + 1),
    ],
)
def test_unsupported_credential_is_rejected(value: bytes) -> None:
    with pytest.raises(InvalidAuthorization):
        bearer_from(value)
