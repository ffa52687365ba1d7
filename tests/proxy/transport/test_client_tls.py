"""TLS contexts of clusters: created on first use, shared, and rejected early if invalid."""

import gc
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from proxy.metrics.proxy_metrics import ProxyMetrics
from proxy.transport.certificates import create_authority
from proxy.transport.client_tls import ClientTLSContexts
from proxy.upstream.limits import PoolLimits
from proxy.upstream.registry import UpstreamRegistry
from store.encryption import Keyring
from tests.proxy.upstream.test_registry import CLUSTER
from tests.support.stores import open_new_store


def authority(name: str) -> str:
    made = create_authority(name, lifetime=timedelta(days=1), now=datetime.now(UTC))
    return made.certificate_pem.decode()


def test_context_is_created_once_and_trusts_only_its_ca() -> None:
    source = ClientTLSContexts().source(authority("one"))
    context = source()
    assert source() is context
    assert [one["subject"] for one in context.get_ca_certs()] == [((("commonName", "one"),),)]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_clusters_with_one_ca_share_a_context() -> None:
    tls, pem = ClientTLSContexts(), authority("shared")
    first, second, other = tls.source(pem), tls.source(pem), tls.source(authority("another"))
    assert first() is second()
    assert first() is not other()


@pytest.mark.parametrize(
    "pem", ["no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_invalid_ca_is_rejected_before_its_use(pem: str) -> None:
    with pytest.raises((ssl.SSLError, ValueError)):
        ClientTLSContexts().source(pem)


async def test_loading_clusters_creates_no_contexts(tmp_path: Path) -> None:
    store = await open_new_store(f"sqlite:///{tmp_path / 'store.db'}", Keyring([bytes(32)]))
    directory = UpstreamRegistry(store, ProxyMetrics(CollectorRegistry()), PoolLimits())
    try:
        for number in range(20):
            pem = authority(f"ca {number}")
            cluster = replace(CLUSTER, id=f"c-{number}", name=f"n-{number}", ca_pem=pem)
            await store.clusters.create(cluster)
        before = contexts()
        await directory.load()
        assert len(directory.all()) == 20
        assert contexts() == before
    finally:
        await directory.close()
        await store.close()


def contexts() -> int:
    """Return the number of TLS contexts in this process."""
    gc.collect()
    return sum(isinstance(one, ssl.SSLContext) for one in gc.get_objects())
