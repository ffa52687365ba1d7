"""Responses that Sekisho creates itself."""

import pytest

from proxy.response.headers import on_refusal
from proxy.response.status import (
    BadRequest,
    ClusterNotFoundStatus,
    Forbidden,
    status_bytes,
)


@pytest.mark.parametrize(
    ("message", "header"),
    [
        ('no cluster "a"', b'Warning: 299 - "no cluster \\"a\\""\r\n'),
        ("a\\b", b'Warning: 299 - "a\\\\b"\r\n'),
        ("no ü", b'Warning: 299 - "no ?"\r\n'),
    ],
)
def test_unknown_cluster_sets_a_warning_header_with_an_escaped_name(
    message: str, header: bytes
) -> None:
    head, _, body = status_bytes(ClusterNotFoundStatus(message), "id", keep_alive=True).partition(
        b"\r\n\r\n"
    )
    assert header in head + b"\r\n"
    assert head.startswith(b"HTTP/1.1 404 ")
    assert b'"reason": "NotFound"' in body


def test_refusal_ends_with_the_request_id() -> None:
    assert b'"message": "read-only (request r-1)"' in status_bytes(
        Forbidden("read-only"), "r-1", keep_alive=True
    )
    assert b'"message": "bad"' in status_bytes(BadRequest("bad"), "r-1", keep_alive=True)


@pytest.mark.parametrize(
    ("user_agent", "lines"),
    [
        ("kubectl/v1.34.0 (linux/amd64)", 1),
        ("kubectl1.34", 1),
        ("helm/3", 0),
        ("", 0),
    ],
)
def test_warning_about_a_clusters_refusal_is_for_kubectl_only(user_agent: str, lines: int) -> None:
    assert on_refusal(user_agent, b"r-1").count(b"\r\n") == lines
