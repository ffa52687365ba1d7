"""Protocols of the store and its repositories. No SQL.

Every method may raise :class:`store.errors.StoreUnavailable`. A caller must never read that error
as "no such record". A look-up with text that databases cannot hold (NUL, lone surrogates) finds no
record; storing such text raises ValueError.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol

from store.access_interfaces import Bindings, Projects, Roles
from store.agent_interfaces import AgentTokens, Tunnels
from store.audit_interfaces import AuditEvents
from store.claim_records import ProviderClaim
from store.cluster_interfaces import Clusters
from store.fleet_interfaces import Fleet
from store.identity_interfaces import Identities, Tokens, Users
from store.order_interfaces import ManagementClusters, Orders
from store.records import Change, StoredProvider, StoredResponse
from store.statistics import StoreStatistics


class Nonces(Protocol):
    """Values that are valid once, over all replicas. Only their digests are stored."""

    async def spend(self, value: str, expires_at: datetime) -> bool:
        """Use ``value``. Return False if it was used before. It expires at ``expires_at``."""

    async def clear(self, before: datetime) -> int:
        """Delete records that expired before then. Return the number."""


class DevicePolls(Protocol):
    """The intervals between polls of device sign-ins, over all replicas (RFC 8628 §3.5)."""

    async def poll(
        self,
        value: str,
        now: datetime,
        interval: timedelta,
        expires_at: datetime,
        *,
        slower: timedelta,
        most: timedelta,
    ) -> timedelta | None:
        """Record a poll of ``value``. Return None if it is allowed, else the new interval.

        ``interval`` applies to the first poll. A poll that is too early increases the interval by
        ``slower``, up to ``most``. The record expires at ``expires_at``.
        """

    async def slow_down(self, value: str, now: datetime, interval: timedelta) -> None:
        """Increase the interval between polls of ``value`` to at least ``interval``."""

    async def clear(self, before: datetime) -> int:
        """Delete records that expired before then. Return the number."""


class StoredProviders(Protocol):
    """Providers that are added and changed at run time."""

    async def list_all(self) -> Sequence[StoredProvider]:
        """Return every provider by name. One with undecryptable settings is ``unreadable``."""

    async def get(self, name: str) -> StoredProvider | None:
        """Return the provider with that name."""

    async def create(self, provider: StoredProvider) -> None:
        """Store a new provider. Raises Conflict if the name is taken."""

    async def replace(self, provider: StoredProvider) -> None:
        """Replace the provider with the same name. Raises RecordNotFound."""

    async def delete(self, name: str) -> None:
        """Delete a provider. Its principals stay. Raises RecordNotFound."""


class ProviderClaims(Protocol):
    """The schemes that providers own."""

    async def get(self, provider: str) -> ProviderClaim | None:
        """Return the claim of ``provider``, whether or not it still exists."""

    async def list_all(self) -> Sequence[ProviderClaim]:
        """Return every claim, by provider."""

    async def owners(self) -> Mapping[str, str]:
        """Return the provider that owns each scheme."""

    async def claim(
        self, provider: str, backend: Mapping[str, Any], declared: Sequence[str]
    ) -> ProviderClaim:
        """Give ``provider`` its schemes, and store the identity of its backend.

        The backend of a claim that is not in use may change. Raises BackendChanged if the
        principals belong to another backend, and Conflict if no name is left for a scheme.
        """

    async def adopt(
        self,
        provider: str,
        backend: Mapping[str, Any],
        declared: Sequence[str],
        *,
        former: str | None = None,
    ) -> ProviderClaim:
        """Assign the provider's principals to ``backend``, as an administrator confirmed.

        ``former`` is a renamed provider, whose principals become this one's. Raises RecordNotFound
        if it does not exist, and Conflict if this provider already has principals.
        """


class Leases(Protocol):
    """Leases: at most one holder of each name at a time."""

    async def hold(self, names: Sequence[str], holder: str, term: timedelta) -> frozenset[str]:
        """Acquire or renew leases that are free, expired or held. Return the holder's leases.

        They expire ``term`` after the beginning of the call, by the database's clock.
        """

    async def release(self, holder: str, names: Sequence[str] | None = None) -> None:
        """Release those leases of ``holder``, or all."""


class IdempotencyRecords(Protocol):
    """Responses to requests with a client's idempotency key. Bodies are encrypted."""

    async def begin(
        self, key: bytes, request: bytes, expires_at: datetime
    ) -> StoredResponse | None:
        """Reserve a free key and return None, or return the record of a used key."""

    async def finish(self, key: bytes, status: int, body: str, expires_at: datetime) -> None:
        """Store the response."""

    async def abandon(self, key: bytes) -> None:
        """Release the key of a failed request."""

    async def clear(self, before: datetime) -> int:
        """Delete records that expired before then. Return the number."""


class Changes(Protocol):
    """Notifications of changes, for the caches of every replica."""

    @property
    def live(self) -> bool:
        """Whether changes of other replicas arrive. If not, cache values for a second at most."""

    @property
    def checks(self) -> int:
        """How often the feed has proved that all changes until then had arrived."""

    def subscribe(self) -> AbstractAsyncContextManager[AsyncIterator[Change]]:
        """Iterate over changes from now on, of all processes, within a second after the commit.

        A subscriber that is too slow gets ``Change("all")``, as do all after a lost connection.
        """


class Store(Protocol):
    """An open store. Close it once."""

    @property
    def users(self) -> Users:
        """Users."""

    @property
    def tokens(self) -> Tokens:
        """Tokens."""

    @property
    def identities(self) -> Identities:
        """Principals with the data for refreshes."""

    @property
    def nonces(self) -> Nonces:
        """Values that are valid once."""

    @property
    def device_polls(self) -> DevicePolls:
        """Intervals between polls of device sign-ins."""

    @property
    def providers(self) -> StoredProviders:
        """Providers that are added at run time."""

    @property
    def claims(self) -> ProviderClaims:
        """The schemes that providers own."""

    @property
    def clusters(self) -> Clusters:
        """Clusters."""

    @property
    def roles(self) -> Roles:
        """Custom roles."""

    @property
    def bindings(self) -> Bindings:
        """Role bindings."""

    @property
    def projects(self) -> Projects:
        """Projects and their namespaces."""

    @property
    def fleet(self) -> Fleet:
        """Observed state of clusters."""

    @property
    def leases(self) -> Leases:
        """Leases."""

    @property
    def agent_tokens(self) -> AgentTokens:
        """Agents' tokens."""

    @property
    def tunnels(self) -> Tunnels:
        """Agents' tunnels."""

    @property
    def management_clusters(self) -> ManagementClusters:
        """Clusters in which clusters are made to order."""

    @property
    def orders(self) -> Orders:
        """Orders of clusters."""

    @property
    def idempotency_records(self) -> IdempotencyRecords:
        """Responses to requests with an idempotency key."""

    @property
    def audit(self) -> AuditEvents:
        """The searchable audit log."""

    @property
    def statistics(self) -> StoreStatistics:
        """Durations and failures of reads and writes."""

    @property
    def changes(self) -> Changes:
        """Notifications of changes."""

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the database responds."""

    async def close(self) -> None:
        """Close every connection."""
