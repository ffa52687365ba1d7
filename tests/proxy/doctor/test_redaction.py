"""Secrets are found in every usual encoding, and by their shape."""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from pydantic import BaseModel, SecretStr

from proxy.doctor.redaction import (
    REDACTED,
    Scrubber,
    passwords_of_url,
    secrets_in,
    without_secrets,
)

SECRET = 's3cr/t "päss" +word\\0123'
TEXTS = [
    SECRET,
    json.dumps(SECRET),
    json.dumps(SECRET, ensure_ascii=False),
    quote(SECRET),
    quote(SECRET, safe=""),
    quote_plus(SECRET),
    SECRET.encode().hex(),
    SECRET.encode().hex().upper(),
    *(base64.b64encode(b"x" * n + SECRET.encode() + b"tail").decode() for n in range(6)),
    *(base64.urlsafe_b64encode(b"u:" * n + SECRET.encode()).decode() for n in range(6)),
]


@pytest.mark.parametrize("text", TEXTS)
def test_known_secret_is_redacted_in_every_encoding(text: str) -> None:
    cleaned = Scrubber([SECRET]).clean(f"before {text} after")
    assert REDACTED in cleaned
    assert cleaned.startswith("before ")
    assert cleaned.endswith(" after")
    for part in (text[4:-4], SECRET):
        assert part not in cleaned


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdef0123456789",
        "-----BEGIN EC PRIVATE KEY-----\nabcdef0123456789\n-----END EC PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nabcdef0123456789",
        "eyJhbGciOi.abcdef0123456789.abcdef0123456789",
        "postgresql://sekisho:abcdef0123456789@db/x",
        "token-xyz:abcdef0123456789",
    ],
)
def test_unknown_secret_is_redacted_by_its_shape(text: str) -> None:
    assert "abcdef0123456789" not in Scrubber([]).clean(text)


def test_longer_secret_is_redacted_before_the_one_that_it_contains() -> None:
    assert Scrubber(["pass", "pass-phrase"]).clean("x pass-phrase y") == f"x {REDACTED} y"


def test_secrets_in_nested_settings_are_found() -> None:
    class Inner(BaseModel):
        key: SecretStr

    class Outer(BaseModel):
        inner: Inner
        many: dict[str, list[SecretStr]]

    outer = Outer(inner=Inner(key=SecretStr("one,two")), many={"a": [SecretStr("three")]})
    assert {"one", "two", "three"} <= set(secrets_in(outer))


def test_passwords_of_a_database_url_are_found_as_written_and_decoded() -> None:
    assert set(passwords_of_url("postgresql://u:p%40ss@h/d?password=p2%2F")) >= {
        "p%40ss",
        "p@ss",
        "p2%2F",
        "p2/",
    }


def test_text_of_a_setting_with_the_name_of_a_secret_is_redacted() -> None:
    made = without_secrets({"bind_password": "x", "token_file": "/run/t", "keys": ["a"], "ttl": 3})
    assert made == {
        "bind_password": REDACTED,
        "token_file": "/run/t",
        "keys": [REDACTED],
        "ttl": 3,
    }
