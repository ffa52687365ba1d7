"""One provider: its configuration, validated, and its state while it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from config.errors import UserError
from config.text_patterns import message_of
from management.identity.principal_ownership import Ownership, OwnRefresher, OwnSearch, capability
from management.identity.provider_capabilities import ProviderCapabilities
from management.identity.sign_in_policy import UNRESTRICTED, AccessRule, SignInPolicy
from management.identity.unusable_providers import unreadable
from providers.base import PrincipalSearch, Provider, ProviderType, ProviderUnavailable, Refresher
from providers.discovery import BrokenProviderType, ProviderEntryPoint
from providers.settings.effects import backend_of, named_files
from store.records import StoredProvider


class InvalidProvider(UserError):
    """A provider's configuration is not valid. The message is for administrators."""


@dataclass(frozen=True, slots=True)
class ProviderSpec:
    """The desired state of a provider."""

    name: str
    type_name: str
    type: ProviderType
    settings: BaseModel
    enabled: bool = True
    access: AccessRule = UNRESTRICTED
    origin: Literal["config", "store"] = "config"
    source: StoredProvider | None = None

    @property
    def declared(self) -> tuple[str, ...]:
        """Return the schemes that its type declares."""
        return self.type.schemes(self.name, self.settings)

    @property
    def backend(self) -> dict[str, Any]:
        """Return what identifies its issuer or directory."""
        return backend_of(self.type_name, self.settings)


@dataclass(slots=True, eq=False)
class ProviderInstance:
    """The actual state of a provider. ``provider`` is None if it is disabled or did not start.

    ``unconfirmed``: its principals belong to another issuer or directory, so it does not run.
    ``unusable``: its stored settings cannot be decrypted, or its type does not accept them.
    """

    spec: ProviderSpec
    policy: SignInPolicy
    ownership: Ownership = field(default_factory=Ownership)
    unconfirmed: bool = False
    unusable: bool = False
    provider: Provider | None = None
    capabilities: ProviderCapabilities | None = None
    error: str | None = None
    """The current error, for operators; None if there is none."""
    enforced: bool = False
    """Whether principals that it no longer admits have been disabled."""

    @property
    def name(self) -> str:
        """Return its name."""
        return self.spec.name

    @property
    def schemes(self) -> tuple[str, ...]:
        """Return the schemes that it owns."""
        return self.ownership.owned

    @property
    def refresher(self) -> Refresher | None:
        """Return what refreshes identities; None if it cannot."""
        return capability(self.provider, Refresher, OwnRefresher, self.ownership)  # type: ignore[type-abstract]

    @property
    def search(self) -> PrincipalSearch | None:
        """Return what searches users and groups; None if it cannot."""
        return capability(self.provider, PrincipalSearch, OwnSearch, self.ownership)  # type: ignore[type-abstract]

    async def check(self) -> None:
        """Raise ProviderUnavailable if its backend cannot be used now."""
        if self.provider is None:
            raise ProviderUnavailable("the provider is not running")
        await self.provider.check()


def validated_spec(
    stored: StoredProvider, types: Mapping[str, ProviderEntryPoint | ProviderType]
) -> ProviderSpec:
    """Return a stored configuration, validated.

    Raises:
        InvalidProvider: the configuration is not valid. The message contains no values.

    """
    if stored.unreadable:
        raise InvalidProvider(unreadable(stored))
    found = types.get(stored.type)
    if found is None:
        known = ", ".join(sorted(types))
        raise InvalidProvider(f"type: {stored.type!r} is not installed; known: {known}")
    try:
        kind = found.load() if isinstance(found, ProviderEntryPoint) else found
        files = named_files(kind.settings_model, stored.settings)
        if files:
            # Not read: the API must not reveal whether a file exists on the server.
            raise InvalidProvider(
                f"settings.{files[0]}: only the configuration may name files of the server; "
                "give what is in the file (certificates as ca_pem)"
            )
        settings = kind.settings_model.model_validate(dict(stored.settings))
    except BrokenProviderType as exc:
        raise InvalidProvider(f"type: {exc}") from exc
    except ValidationError as exc:
        wrong = "; ".join(
            f"{'.'.join(map(str, ('settings', *one['loc'])))}: {message_of(one)}"
            for one in exc.errors(include_url=False, include_input=False)
        )
        raise InvalidProvider(wrong) from None
    return stored_spec(stored, kind, settings)


def stored_spec(stored: StoredProvider, kind: ProviderType, settings: BaseModel) -> ProviderSpec:
    """Return the spec of a stored provider whose settings are validated."""
    return ProviderSpec(
        stored.name,
        stored.type,
        kind,
        settings,
        stored.enabled,
        AccessRule(stored.access_mode, frozenset(stored.allowed_principals)),
        origin="store",
        source=stored,
    )
