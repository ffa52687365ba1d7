"""Find the certificates and tokens of clusters that end soon or are renewed too late. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from management.clusters.service_account_tokens import claimed_lifetime
from store.records import Cluster, CredentialSource

CERTIFICATE_DAYS = timedelta(days=30)
"""How long before its end a certificate is reported."""

TOKEN_DAYS = timedelta(days=14)
"""How long before its end a token is reported that Sekisho does not renew."""

OVERDUE_PART = 0.2
"""The part of its lifetime that is left when a renewed token is reported: Sekisho renews tokens
when a third is left, so renewals have failed for a while."""


@dataclass(frozen=True, slots=True)
class Ending:
    """A certificate or token of a cluster that ends at ``ends_at``."""

    kind: str
    cluster: Cluster
    ends_at: datetime


def ending_in_clusters(clusters: Iterable[Cluster], now: datetime) -> Iterator[Ending]:
    """Yield what ends soon, or has ended, in each cluster."""
    for one in clusters:
        if one.removing_since is not None:
            continue
        ends_at = authority_ends_at(one.ca_pem) if one.ca_pem else None
        if ends_at is not None and ends_at - now < CERTIFICATE_DAYS:
            yield Ending("cluster_certificate", one, ends_at)
        if one.tokens_expire_at is not None and _token_ends_soon(one, one.tokens_expire_at, now):
            yield Ending("cluster_token", one, one.tokens_expire_at)


def _token_ends_soon(cluster: Cluster, ends_at: datetime, now: datetime) -> bool:
    """Return whether an administrator should act on a cluster's token."""
    if cluster.credential_source is not CredentialSource.TOKEN_REQUEST:
        return ends_at - now < TOKEN_DAYS
    claimed = claimed_lifetime(cluster.impersonator_token)
    if claimed is None:
        return ends_at <= now
    issued, expires = claimed
    return ends_at - now < (expires - issued) * OVERDUE_PART


@lru_cache(maxsize=1024)
def authority_ends_at(ca_pem: str) -> datetime | None:
    """Return the end of the last valid certificate of a bundle; None if it is not readable."""
    try:
        found = x509.load_pem_x509_certificates(ca_pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    return max((one.not_valid_after_utc for one in found), default=None)
