"""When certificates and tokens of clusters end, and which end soon or are renewed late. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm

from management.clusters.agent_token_renewal import MOST_AGE
from management.clusters.service_account_tokens import claimed_lifetime
from management.clusters.token_renewal import renewal_time
from management.kubernetes.serving_certificates import Validity
from store.agent_records import AgentToken
from store.records import Cluster, CredentialSource

CERTIFICATE_DAYS = timedelta(days=30)
"""How long before its end a certificate is reported."""

TOKEN_DAYS = timedelta(days=14)
"""How long before its end a token is reported that Sekisho does not renew."""

OVERDUE_PART = 0.2
"""The part of its lifetime that is left when a renewed token is reported: Sekisho renews tokens
when a third is left, so renewals have failed for a while. The same part of an API server's
certificate, which some clusters renew every few days."""


@dataclass(frozen=True, slots=True)
class Ending:
    """A certificate or token of a cluster that ends at ``ends_at``."""

    kind: str
    cluster: Cluster
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Expiration:
    """When a certificate or token of a cluster ends; None: it does not end by itself.

    ``renews_at`` is when Sekisho renews it; None: its administrator must.
    """

    kind: str
    ends_at: datetime | None
    renews_at: datetime | None = None


def expirations(
    cluster: Cluster, certificate: Validity | None, agent_tokens: Iterable[AgentToken]
) -> list[Expiration]:
    """Return when each certificate and token of a cluster ends."""
    found = []
    if certificate is not None:
        found.append(Expiration("api_server_certificate", certificate.ends_at))
    ends_at = authority_ends_at(cluster.ca_pem) if cluster.ca_pem else None
    if ends_at is not None:
        found.append(Expiration("cluster_certificate", ends_at))
    if not cluster.is_pending and not cluster.unreadable:
        renewed = cluster.credential_source is CredentialSource.TOKEN_REQUEST
        renews_at = renewal_time(cluster) if renewed else None
        found.append(Expiration("cluster_token", cluster.tokens_expire_at, renews_at))
    renewals = [one.created_at + MOST_AGE for one in agent_tokens]
    return found + [Expiration("agent_token", None, one) for one in renewals]


def ending_in_clusters(
    clusters: Iterable[Cluster], certificates: Mapping[str, Validity], now: datetime
) -> Iterator[Ending]:
    """Yield what ends soon, or has ended, in each cluster.

    ``certificates``: the validity of the API servers' certificates, by the cluster's id.
    """
    for one in clusters:
        if one.removing_since is not None:
            continue
        certificate = certificates.get(one.id)
        if certificate is not None and _certificate_ends_soon(certificate, now):
            yield Ending("api_server_certificate", one, certificate.ends_at)
        ends_at = authority_ends_at(one.ca_pem) if one.ca_pem else None
        if ends_at is not None and ends_at - now < CERTIFICATE_DAYS:
            yield Ending("cluster_certificate", one, ends_at)
        if one.tokens_expire_at is not None and _token_ends_soon(one, one.tokens_expire_at, now):
            yield Ending("cluster_token", one, one.tokens_expire_at)


def _certificate_ends_soon(certificate: Validity, now: datetime) -> bool:
    lifetime = certificate.ends_at - certificate.begins_at
    return certificate.ends_at - now < min(CERTIFICATE_DAYS, lifetime * OVERDUE_PART)


def _token_ends_soon(cluster: Cluster, ends_at: datetime, now: datetime) -> bool:
    """Return whether an administrator should act on a cluster's token."""
    if cluster.credential_source is not CredentialSource.TOKEN_REQUEST:
        return ends_at - now < TOKEN_DAYS
    claimed = claimed_lifetime(cluster.impersonator_token)
    if claimed is None:
        return ends_at <= now
    issued, expires = claimed
    return ends_at - now < (expires - issued) * OVERDUE_PART


@lru_cache(maxsize=4096)
def authority_ends_at(ca_pem: str) -> datetime | None:
    """Return the end of the last valid certificate of a bundle; None if it is not readable."""
    try:
        found = x509.load_pem_x509_certificates(ca_pem.encode())
    except (ValueError, UnsupportedAlgorithm):
        return None
    return max((one.not_valid_after_utc for one in found), default=None)
