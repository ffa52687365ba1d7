"""The providers that run now: those of the configuration, and those that are kept in the store.

A live mapping of doors. It follows the store's change feed, so that what an administrator does on
one replica is so on every one within a second: a provider that was changed is started anew (the old
one goes on until the new one is there), a disabled one is gone from the mapping at once. A provider
whose start fails is there in name and in health, and stops nothing else.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import structlog
from pydantic import BaseModel, ValidationError

from management.access_modes import EVERYBODY, AccessRule
from management.admission import Admission
from management.door import Door
from providers.base import (
    PasswordAuthenticator,
    Provider,
    ProviderContext,
    ProviderType,
    ProviderUnavailable,
    Refresher,
)
from providers.registry import BrokenProviderType, Found
from providers.throttle import Limits, ThrottledAuthenticator
from store.interfaces import Store, StoredProvider, StoreError

CHECK_SECONDS = 5.0
"""How long a provider's own check may take before it counts as down."""

CHECK_EVERY_SECONDS = 30.0
"""How often providers are checked: in the background, never by a request."""

_LOG = structlog.get_logger("sekisho.providers")


class BadProvider(Exception):
    """A provider's configuration can't be used. The message is for administrators."""


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """A provider as it should be."""

    name: str
    type_name: str
    type: ProviderType
    settings: BaseModel
    enabled: bool = True
    access: AccessRule = EVERYBODY
    origin: Literal["config", "store"] = "config"
    source: StoredProvider | None = None


@dataclass(slots=True, eq=False)
class Running:
    """A provider as it is. ``provider`` is None where it is disabled, or couldn't be started."""

    spec: ProviderSpec
    admission: Admission
    provider: Provider | None = None
    door: Door | None = None
    error: str | None = None
    """What is wrong with it, for operators; None: nothing, as far as is known."""
    enforced: bool = False
    """Whether those whom it doesn't let in any more have been cut off."""

    @property
    def name(self) -> str:
        """Its name."""
        return self.spec.name

    @property
    def schemes(self) -> tuple[str, ...]:
        """The schemes it may speak of."""
        return self.spec.type.schemes(self.spec.name, self.spec.settings)

    @property
    def refresher(self) -> Refresher | None:
        """Whom to ask about people later."""
        provider: object = self.provider
        return provider if isinstance(provider, Refresher) else None


class ProviderRegistry(Mapping[str, Door]):
    """Doors by name: of the providers that are enabled and have started."""

    def __init__(
        self,
        store: Store,
        configured: Sequence[ProviderSpec],
        context: ProviderContext,
        limits: Limits,
        types: Mapping[str, Found | ProviderType],
    ) -> None:
        self._store = store
        self._configured = tuple(configured)
        self._context = context
        self._limits = limits
        self._types = types
        self._running: dict[str, Running] = {}
        self._sync = asyncio.Lock()

    def __getitem__(self, name: str) -> Door:
        door = self._running[name].door
        if door is None:
            raise KeyError(name)
        return door

    def __iter__(self) -> Iterator[str]:
        return (name for name, one in self._running.items() if one.door is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def everything(self) -> list[Running]:
        """Every provider, disabled ones as well, those of the configuration first."""
        return list(self._running.values())

    def running(self, name: str) -> Running | None:
        """The provider of that name."""
        return self._running.get(name)

    def configured(self, name: str) -> bool:
        """Whether that name is the configuration's."""
        return any(spec.name == name for spec in self._configured)

    async def start(self) -> None:
        """Start everything. Raises what a configured provider's start raises, and StoreError."""
        for spec in self._configured:
            one = await self._made(spec)
            self._running[spec.name] = one
            if spec.enabled and one.provider is None:
                raise ProviderUnavailable(one.error or f"provider {spec.name} did not start")
            await self._enforce(one)
        await self.synchronise()

    async def close(self) -> None:
        """Close everything."""
        for one in self._running.values():
            await _closed(one)
        self._running.clear()

    async def follow_changes(self) -> None:
        """Do as the store says, until cancelled."""
        async with self._store.changes.subscribe() as changes:
            await self.synchronise()
            async for change in changes:
                if change.kind in {"provider", "all"}:
                    await self.synchronise()

    async def synchronise(self) -> None:
        """Make what runs what is stored. Raises StoreError."""
        async with self._sync:
            stored = {one.name: one for one in await self._store.providers.list_all()}
            for name in [n for n, one in self._running.items() if one.spec.origin == "store"]:
                if name not in stored:
                    self._running[name].door = None
                    await self._store.identities.revoke_tokens(provider=name)
                    await _closed(self._running.pop(name))
            for name, wanted in stored.items():
                known = self._running.get(name)
                if self.configured(name):
                    continue  # the configuration's word is the last
                if known is None or known.spec.source != wanted:
                    await self._replace(wanted, known)
            for one in self.everything():
                if not one.enforced:
                    await self._enforce(one)

    async def check(self) -> None:
        """Ask every provider whether it is well, side by side."""
        await asyncio.gather(*(self._check(one) for one in self.everything()))

    async def check_forever(self) -> None:
        """The same again and again, until cancelled."""
        while True:
            await self.check()
            await asyncio.sleep(CHECK_EVERY_SECONDS)

    def health(self) -> dict[str, str | None]:
        """What is wrong, by provider; of those that are enabled."""
        return {one.name: one.error for one in self.everything() if one.spec.enabled}

    def spec_of(self, stored: StoredProvider) -> ProviderSpec:
        """A stored configuration, looked through. Raises BadProvider; the values stay out of it."""
        found = self._types.get(stored.type)
        if found is None:
            known = ", ".join(sorted(self._types))
            raise BadProvider(f"type: {stored.type!r} is not installed; known: {known}")
        try:
            kind = found.load() if isinstance(found, Found) else found
            settings = kind.settings_model.model_validate(dict(stored.settings))
        except BrokenProviderType as exc:
            raise BadProvider(f"type: {exc}") from exc
        except ValidationError as exc:
            wrong = "; ".join(
                f"settings.{'.'.join(map(str, one['loc']))}: {one['msg']}"
                for one in exc.errors(include_url=False, include_input=False, include_context=False)
            )
            raise BadProvider(wrong) from None
        access = AccessRule(stored.access_mode, frozenset(stored.allowed_principals))
        return ProviderSpec(
            stored.name,
            stored.type,
            kind,
            settings,
            stored.enabled,
            access,
            origin="store",
            source=stored,
        )

    async def trial(self, spec: ProviderSpec) -> Provider:
        """A provider of its own, started, to try a configuration with. Close it."""
        provider = spec.type.create(spec.name, spec.settings, self._context)
        await provider.start()
        return provider

    async def _replace(self, wanted: StoredProvider, known: Running | None) -> None:
        try:
            spec = self.spec_of(wanted)
        except BadProvider as exc:
            _LOG.error("provider not started", provider=wanted.name, error=str(exc))
            return
        if known is not None and not spec.enabled:
            known.door = None  # at once: what follows may take its time
        fresh = await self._made(spec)
        self._running[wanted.name] = fresh
        await self._enforce(fresh)
        if known is not None:
            await _closed(known)

    async def _made(self, spec: ProviderSpec) -> Running:
        one = Running(spec, Admission(self._store, spec.name, spec.access))
        if not spec.enabled:
            return one
        try:
            provider = await self.trial(spec)
        except Exception as exc:  # a plug-in's fault is one provider's, not everybody's
            one.error = str(exc) or type(exc).__name__
            _LOG.error("provider not started", provider=spec.name, error=one.error)
            return one
        one.provider = provider
        throttled = (
            ThrottledAuthenticator(provider, self._limits, self._context.clock)
            if isinstance(provider, PasswordAuthenticator)
            else None
        )
        one.door = Door.to(provider, one.schemes, one.admission, throttled)
        return one

    async def _enforce(self, one: Running) -> None:
        """Cut off whom the configuration doesn't let in any more.

        Where the store fails, it is done when the store is back, and says so.
        """
        try:
            if one.spec.enabled:
                await one.admission.enforce()
            else:
                await self._store.identities.revoke_tokens(provider=one.name)
            one.enforced = True
        except StoreError as exc:
            _LOG.error("access not enforced yet", provider=one.name, error=str(exc))

    async def _check(self, one: Running) -> None:
        if one.provider is None:
            return
        before = one.error
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await one.provider.check()
            one.error = None
        except TimeoutError:
            one.error = "timed out"
        except Exception as exc:  # whatever a check raises is its result
            one.error = str(exc) or type(exc).__name__
        if (before is None) != (one.error is None):
            _LOG.warning(
                "provider is up" if one.error is None else "provider is down",
                provider=one.name,
                error=one.error,
            )


async def _closed(one: Running) -> None:
    provider, one.provider, one.door = one.provider, None, None
    if provider is None:
        return
    try:
        await provider.close()
    except Exception as exc:
        _LOG.warning("provider not closed", provider=one.name, error=str(exc))
