"""TLS contexts of clusters: made on first use, shared, and refused at once where they can't be."""

import gc
import ssl
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from proxy.certificates import create_authority
from proxy.cluster_tls import ClusterTls
from proxy.clusters import ClusterDirectory
from proxy.metrics import GateMetrics
from proxy.pool import PoolLimits
from store.database import open_store
from store.encryption import Keyring
from tests.proxy.test_clusters import CLUSTER


def authority(name: str) -> str:
    made = create_authority(name, lifetime=timedelta(days=1), now=datetime.now(UTC))
    return made.certificate_pem.decode()


def test_a_context_is_made_once_and_trusts_that_ca_alone() -> None:
    source = ClusterTls().source(authority("one"))
    context = source()
    assert source() is context
    assert [one["subject"] for one in context.get_ca_certs()] == [((("commonName", "one"),),)]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_clusters_with_one_ca_have_one_context() -> None:
    tls, pem = ClusterTls(), authority("shared")
    first, second, other = tls.source(pem), tls.source(pem), tls.source(authority("another"))
    assert first() is second()
    assert first() is not other()


@pytest.mark.parametrize(
    "pem", ["no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_a_ca_that_is_none_is_refused_before_it_is_used(pem: str) -> None:
    with pytest.raises((ssl.SSLError, ValueError)):
        ClusterTls().source(pem)


async def test_clusters_are_loaded_without_their_contexts(tmp_path: Path) -> None:
    store = await open_store(f"sqlite:///{tmp_path / 'store.db'}", Keyring([bytes(32)]))
    directory = ClusterDirectory(store, GateMetrics(CollectorRegistry()), PoolLimits())
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
    """How many there are in this process."""
    gc.collect()
    return sum(isinstance(one, ssl.SSLContext) for one in gc.get_objects())
