"""Settings of sign-in: providers, password attempts, sessions and tokens. Pure."""

import re
from datetime import timedelta
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from config.section import Duration, Section, refuse_repetition

_PROVIDER_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")


class ProviderEntry(BaseModel):
    """A configured provider. Its other keys belong to the provider's own settings model."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str
    """The provider type: the name of an entry point."""

    name: str
    """The unique name in URLs and principals."""

    enabled: bool = True
    """False: users cannot sign in with this provider, and the tokens of its users are revoked."""

    access_mode: Literal["unrestricted", "restricted", "required"] = "unrestricted"
    """Who may sign in: every user; allowed principals and users with a role in a cluster; or
    allowed principals only."""

    allowed_principals: tuple[str, ...] = ()
    """Principal ids of users or groups, for ``access_mode``: ``ldap_group://…``."""

    @field_validator("allowed_principals")
    @classmethod
    def _ids(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            scheme, _, key = one.partition("://")
            if not scheme or not key:
                raise ValueError(f"{one!r} is not a principal id like ldap_group://…")
        refuse_repetition("allowed_principals", value)
        return value

    @field_validator("name")
    @classmethod
    def _plain(cls, value: str) -> str:
        if not _PROVIDER_NAME.fullmatch(value):
            raise ValueError("must be 1 to 32 of a-z, 0-9 and -, and not begin or end with -")
        return value

    @property
    def options(self) -> dict[str, Any]:
        """The keys that belong to the provider's own settings model."""
        return dict(self.model_extra or {})


class SessionSettings(Section):
    """Lifetimes of sessions."""

    ttl: Duration = timedelta(hours=16)
    """The lifetime of a session: a working day."""

    renewable_for: Duration | None = timedelta(days=7)
    """How long after the sign-in a command line may renew the session without a new sign-in; null:
    never."""


class TokenSettings(Section):
    """Lifetimes of API tokens."""

    default_ttl: Duration = timedelta(days=90)
    """The lifetime of a token that is created without one."""

    max_ttl: Duration = timedelta(days=365)
    """The longest lifetime that may be requested."""

    kubeconfig_ttl: Duration = timedelta(days=30)
    """The lifetime of tokens in generated kubeconfigs."""

    @model_validator(mode="after")
    def _at_most_max_ttl(self) -> "TokenSettings":
        for name in ("default_ttl", "kubeconfig_ttl"):
            if getattr(self, name) > self.max_ttl:
                raise ValueError(f"{name} is longer than max_ttl; shorten it, or raise max_ttl")
        return self


class LoginSettings(Section):
    """Limits on sign-ins with a password."""

    attempts_per_user: int = Field(default=5, ge=1)
    """Failures for one name within ``window`` before further attempts are rejected."""

    attempts_per_address: int = Field(default=30, ge=1)
    """Failures from one address within ``window``. Higher, because many users may share one."""

    window: Duration = timedelta(minutes=15)
    """How long a failure counts."""

    password_min_length: int = Field(default=12, ge=8, le=128)
    """Characters that a new password must have."""
