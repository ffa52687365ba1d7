"""Run the configured providers and those in the store.

:class:`ProviderRegistry` maps names to the capabilities of running providers. It follows the
store's change feed, so an administrator's change takes effect on every replica within a second. A
changed provider is started before the old one is closed; a disabled one leaves the mapping
immediately. A provider that cannot start stays in the list and in the health report, alone.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from config.address_policy import ANY_ADDRESS, AddressPolicy
from config.loggers import get_logger
from management.identity.principal_ownership import Ownership, OwnPasswords, capability
from management.identity.provider_capabilities import ProviderCapabilities
from management.identity.provider_instance import (
    InvalidProvider,
    ProviderInstance,
    ProviderSpec,
    stored_spec,
    validated_spec,
)
from management.identity.sign_in_policy import SignInPolicy
from management.identity.unusable_providers import NoSettings, UnusableType
from providers.base import (
    PasswordAuthenticator,
    Provider,
    ProviderContext,
    ProviderType,
    ProviderUnavailable,
)
from providers.discovery import ProviderEntryPoint
from providers.throttle import Limits, NoAccounts, ThrottledAuthenticator
from store.claim_records import LOCAL, BackendChanged
from store.errors import Conflict, StoreError
from store.interfaces import Store
from store.records import StoredProvider

CHECK_SECONDS = 5.0
"""Timeout of a provider's check; after it the provider counts as down."""

CHECK_EVERY_SECONDS = 30.0
"""Interval of the background checks; no request runs a check."""

_LOG = get_logger(__name__)


class ProviderRegistry(Mapping[str, ProviderCapabilities]):
    """The capabilities of the enabled and started providers, by name."""

    def __init__(
        self,
        store: Store,
        configured: Sequence[ProviderSpec],
        context: ProviderContext,
        limits: Limits,
        types: Mapping[str, ProviderEntryPoint | ProviderType],
    ) -> None:
        self._store = store
        self._configured = tuple(configured)
        self._context = context
        self._limits = limits
        self.types = types
        self._running: dict[str, ProviderInstance] = {}
        self._sync = asyncio.Lock()
        # For trials of settings that are not stored.
        self.trial_counters = ThrottledAuthenticator(NoAccounts(), limits, context.clock)

    def __getitem__(self, name: str) -> ProviderCapabilities:
        capabilities = self._running[name].capabilities
        if capabilities is None:
            raise KeyError(name)
        return capabilities

    def __iter__(self) -> Iterator[str]:
        return (name for name, one in self._running.items() if one.capabilities is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def everything(self) -> list[ProviderInstance]:
        """Return every provider, disabled ones too; configured ones first."""
        return list(self._running.values())

    def running(self, name: str) -> ProviderInstance | None:
        """Return the provider of that name, or None."""
        return self._running.get(name)

    def configured(self, name: str) -> bool:
        """Return whether the configuration has a provider of that name."""
        return any(spec.name == name for spec in self._configured)

    async def start(self) -> None:
        """Start all providers. Also raises what the start of a configured provider raises.

        Raises:
            ProviderUnavailable: a configured provider did not start.
            StoreError: the store cannot be read.
        """
        for spec in self._configured:
            one = await self._start(spec)
            self._running[spec.name] = one
            if spec.enabled and one.provider is None and not one.unconfirmed:
                raise ProviderUnavailable(one.error or f"provider {spec.name} did not start")
            await self._enforce(one)
        await self.sync()

    async def close(self) -> None:
        """Close all providers."""
        while self._running:
            await _close(self._running.popitem()[1])

    async def follow_changes(self) -> None:
        """Follow the store's change feed until cancelled."""
        async with self._store.changes.subscribe() as changes:
            await self.sync()
            async for change in changes:
                if change.kind in {"provider", "all"}:
                    await self.sync()

    async def sync(self) -> None:
        """Make the running providers match the store.

        Raises:
            StoreError: the store cannot be read.
        """
        async with self._sync:
            stored = {one.name: one for one in await self._store.providers.list_all()}
            for name in [n for n, one in self._running.items() if one.spec.origin == "store"]:
                if name not in stored:
                    self._running[name].capabilities = None
                    await self._cut_off(name)
                    await _close(self._running.pop(name))
            for one in self.everything():
                if one.unconfirmed and self.configured(one.name):
                    self._running[one.name] = await self._start(one.spec)
            for name, wanted in stored.items():
                known = self._running.get(name)
                if self.configured(name):
                    continue  # the configuration takes precedence
                if known is None or known.unconfirmed or known.spec.source != wanted:
                    await self._replace(wanted, known)
            for one in self.everything():
                if not one.enforced:
                    await self._enforce(one)

    async def check(self) -> None:
        """Check every provider, concurrently."""
        await asyncio.gather(*(self._check(one) for one in self.everything()))

    async def check_forever(self) -> None:
        """Check every provider at intervals, until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(CHECK_EVERY_SECONDS)

    def health(self) -> dict[str, str | None]:
        """Return the error, or None, of each enabled provider."""
        return {one.name: one.error for one in self.everything() if one.spec.enabled}

    def spec_of(self, stored: StoredProvider) -> ProviderSpec:
        """Return a stored configuration, validated.

        Raises:
            InvalidProvider: the configuration is not valid.
        """
        return validated_spec(stored, self.types)

    async def create_for_test(
        self, spec: ProviderSpec, addresses: AddressPolicy = ANY_ADDRESS
    ) -> Provider:
        """Return a new, started provider for testing a configuration. The caller must close it.

        It connects to no address that ``addresses`` rejects.
        """
        context = replace(self._context, addresses=addresses)
        provider = spec.type.create(spec.name, spec.settings, context)
        await provider.start()
        return provider

    async def _replace(self, wanted: StoredProvider, known: ProviderInstance | None) -> None:
        try:
            spec = self.spec_of(wanted)
        except InvalidProvider as exc:
            spec = stored_spec(wanted, UnusableType(str(exc)), NoSettings())
        usable = not isinstance(spec.type, UnusableType)
        if known is not None and not (spec.enabled and usable):
            known.capabilities = None  # immediately: the steps below may take long
        fresh = await (self._start(spec) if usable else self._unusable(spec))
        self._running[wanted.name] = fresh
        await self._enforce(fresh)
        if known is not None:
            await _close(known)

    async def ownership(self, spec: ProviderSpec) -> Ownership:
        """Return the schemes of a provider, claimed in the store if they are free.

        Raises:
            BackendChanged: its principals belong to another issuer or directory.
            Conflict: another provider has its schemes.
            StoreError: the store cannot be written.
        """
        declared = spec.declared
        if getattr(spec.type, "accounts_of_the_store", False):
            return Ownership({LOCAL: LOCAL})
        claim = await self._store.claims.claim(spec.name, spec.backend, declared)
        return Ownership({one: claim.schemes[one] for one in declared})

    async def _start(self, spec: ProviderSpec) -> ProviderInstance:
        one = ProviderInstance(spec, SignInPolicy(self._store, spec.name, spec.access))
        try:
            one.ownership = await self.ownership(spec)
        except (BackendChanged, Conflict) as exc:
            one.error, one.unconfirmed = str(exc), True
            _LOG.error("provider not started", provider=spec.name, error=one.error)
            return one
        allowed = frozenset(map(one.ownership.own, spec.access.allowed))
        one.policy = SignInPolicy(self._store, spec.name, replace(spec.access, allowed=allowed))
        if not spec.enabled:
            return one
        try:
            provider = await self.create_for_test(spec)
        except Exception as exc:  # a plug-in may raise anything; other providers go on
            one.error = str(exc) or type(exc).__name__
            _LOG.error("provider not started", provider=spec.name, error=one.error)
            return one
        one.provider = provider
        password = capability(provider, PasswordAuthenticator, OwnPasswords, one.ownership)  # type: ignore[type-abstract]
        throttled = (
            ThrottledAuthenticator(password, self._limits, self._context.clock)
            if password is not None
            else None
        )
        one.capabilities = ProviderCapabilities.to(provider, one.ownership, one.policy, throttled)
        return one

    async def _unusable(self, spec: ProviderSpec) -> ProviderInstance:
        """Return an instance that cannot run and keeps its principals."""
        assert isinstance(spec.type, UnusableType)
        _LOG.error("provider not started", provider=spec.name, error=spec.type.reason)
        claim = await self._store.claims.get(spec.name)
        return ProviderInstance(
            spec,
            SignInPolicy(self._store, spec.name, spec.access),
            Ownership(claim.schemes if claim is not None else {}),
            unusable=True,
            error=spec.type.reason,
        )

    async def _enforce(self, one: ProviderInstance) -> None:
        """Disable the principals that the provider no longer admits.

        If the store fails, the next sync retries; the store announces when it is back.
        """
        try:
            if not one.spec.enabled:
                await self._cut_off(one.name)
            elif not (one.unconfirmed or one.unusable):
                await one.policy.enforce()
            one.enforced = True
        except StoreError as exc:
            _LOG.error("access not enforced yet", provider=one.name, error=str(exc))

    async def _cut_off(self, name: str) -> None:
        """Revoke the tokens and remove the groups of a provider that is disabled or deleted.

        A user may have a principal at another provider, and keeps the tokens of that one.
        """
        await self._store.identities.revoke_tokens(provider=name)
        await self._store.identities.forget_groups(name)

    async def _check(self, one: ProviderInstance) -> None:
        if one.provider is None:
            return
        before = one.error
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await one.provider.check()
            one.error = None
        except TimeoutError:
            one.error = "timed out"
        except Exception as exc:  # any exception is the result of the check
            one.error = str(exc) or type(exc).__name__
        if (before is None) != (one.error is None):
            _LOG.warning(
                "provider is up" if one.error is None else "provider is down",
                provider=one.name,
                error=one.error,
            )


async def _close(one: ProviderInstance) -> None:
    provider, one.provider, one.capabilities = one.provider, None, None
    if provider is None:
        return
    try:
        await provider.close()
    except Exception as exc:
        _LOG.warning("provider not closed", provider=one.name, error=str(exc))
