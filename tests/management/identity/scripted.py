"""A provider whose responses a test scripts. It satisfies the contract."""

import asyncio
from dataclasses import dataclass, field
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SecretStr

from providers.base import (
    ExternalGroup,
    ExternalIdentity,
    Outcome,
    PasswordAttempt,
    Provider,
    ProviderContext,
    ProviderUnavailable,
    Rejected,
)
from providers.settings.effects import Effect


class ScriptedSettings(BaseModel):
    """Settings like those of a directory."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    EFFECTS: ClassVar = {
        "server": Effect.DESTINATION | Effect.BACKEND,
        "attribute": Effect.MEANING,
        "timeout": Effect.NONE,
    }

    server: str
    attribute: str = "uid"
    timeout: int = 1
    bind_password: SecretStr = SecretStr("")


HANGS = Rejected("never answered")
"""The result of a refresh without a response."""


def person(name: str, *groups: str) -> ExternalIdentity:
    """A user at the scripted provider."""
    return ExternalIdentity(
        f"scripted_user://{name}",
        name,
        name.title(),
        tuple(ExternalGroup(f"scripted_group://{group}", group) for group in groups),
    )


@dataclass
class Scripted:
    """Responds from ``people``; the password is ``open sesame`` for all users."""

    name: str = "corp"
    people: dict[str, Outcome | Exception] = field(default_factory=dict)
    down: bool = False
    hang: asyncio.Event | None = None
    asked: list[str] = field(default_factory=list)
    started: bool = False
    closed: bool = False

    async def start(self) -> None:
        """Start."""
        self.started = True

    async def close(self) -> None:
        """Close."""
        self.closed = True

    async def check(self) -> None:
        """Raise ProviderUnavailable if it is down."""
        if self.down:
            raise ProviderUnavailable("connection refused")

    async def authenticate(self, attempt: PasswordAttempt) -> Outcome:
        """Authenticate with a password."""
        await self.check()
        if attempt.password != "open sesame":
            return None
        return _said(self.people.get(attempt.username))

    async def refresh(self, principal_id: str, secret: str | None) -> Outcome:
        """Return the current identity."""
        self.asked.append(principal_id)
        if self.hang is not None:
            await self.hang.wait()
        await self.check()
        outcome = self.people.get(principal_id.partition("://")[2])
        if outcome is HANGS:
            await asyncio.Event().wait()
        return _said(outcome)


def _said(outcome: Outcome | Exception) -> Outcome:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


@dataclass
class ScriptedType:
    """The type; ``made`` has the latest provider of each name."""

    made: dict[str, Scripted] = field(default_factory=dict)
    settings_model: type[BaseModel] = ScriptedSettings

    def schemes(self, name: str, settings: Any) -> tuple[str, ...]:
        """Return its schemes."""
        return ("scripted_user", "scripted_group")

    def create(self, name: str, settings: Any, context: ProviderContext) -> Provider:
        """Create a provider that knows ann; it is down if its server has that name."""
        people: dict[str, Outcome | Exception] = {"ann": person("ann", "ops")}
        self.made[name] = made = Scripted(name, people, down=settings.server == "down")
        return made
