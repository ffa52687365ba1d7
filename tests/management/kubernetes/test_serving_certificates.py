"""Certificates of API servers on connections to them."""

from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from management.kubernetes.client import ClusterClient
from management.kubernetes.endpoint import ClusterCredential
from management.kubernetes.serving_certificates import (
    MAX_CERTIFICATES,
    RECENT_SECONDS,
    ServingCertificates,
    Validity,
)
from proxy.transport.certificates import KeyPair, create_authority, issue_server
from tests.management.conftest import Serve

NOW = datetime(2026, 11, 30, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def certificate(authority: KeyPair, days: int) -> bytes:
    pair = issue_server(
        authority, common_name="api", names=["api"], lifetime=timedelta(days=days), now=NOW
    )
    return x509.load_pem_x509_certificate(pair.certificate_pem).public_bytes(Encoding.DER)


@pytest.fixture(scope="module")
def issuer() -> KeyPair:
    return create_authority("test", lifetime=timedelta(days=365), now=NOW)


def days_left(seen: ServingCertificates) -> int | None:
    found = seen.first_to_end
    return round((found.ends_at - NOW) / timedelta(days=1)) if found is not None else None


async def test_certificate_of_a_server_is_seen_by_its_client(serve: Serve) -> None:
    async def handler(request: web.BaseRequest) -> web.Response:
        return web.json_response({"gitVersion": "v1.36.3"})

    async with (
        serve(handler) as endpoint,
        ClusterClient(endpoint, ClusterCredential(token="t")) as client,
    ):
        assert client.certificates.first_to_end is None
        await client.get("/version")
        seen = client.certificates.first_to_end
    assert seen is not None
    assert timedelta(hours=23) < seen.ends_at - datetime.now(UTC) <= timedelta(days=1)


def test_of_several_servers_the_certificate_that_ends_first_counts(issuer: KeyPair) -> None:
    seen = ServingCertificates(Clock())
    for days in (90, 9, 30):
        seen.note(certificate(issuer, days))
    assert days_left(seen) == 9


def test_former_certificate_no_longer_counts_after_an_hour(issuer: KeyPair) -> None:
    clock = Clock()
    seen = ServingCertificates(clock)
    seen.note(certificate(issuer, 1))
    clock.now = RECENT_SECONDS
    assert days_left(seen) == 1
    seen.note(certificate(issuer, 90))
    assert days_left(seen) == 90


def test_number_of_remembered_certificates_is_bounded(issuer: KeyPair) -> None:
    seen = ServingCertificates(Clock())
    for days in range(1, MAX_CERTIFICATES + 3):
        seen.note(certificate(issuer, days))
    assert days_left(seen) == 3


def test_unreadable_certificate_is_ignored() -> None:
    seen = ServingCertificates(Clock())
    for der in (None, b"", b"nonsense"):
        seen.note(der)
    assert seen.first_to_end is None


def test_validity_is_read_as_it_was_shown() -> None:
    validity = Validity(NOW, NOW + timedelta(days=1))
    assert Validity.read(validity.shown()) == validity
    for data in (None, {}, {"begins_at": "x", "ends_at": 1}):
        assert Validity.read(data) is None
