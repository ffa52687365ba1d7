"""A provider that says what a test wants it to say. It keeps the contract."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr

from providers.base import (
    Attempt,
    ExternalGroup,
    ExternalIdentity,
    Outcome,
    Provider,
    ProviderContext,
    ProviderUnavailable,
)


class ScriptedSettings(BaseModel):
    """Settings of the kind that directories have."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    server: str
    bind_password: SecretStr = SecretStr("")


def person(name: str, *groups: str) -> ExternalIdentity:
    """Somebody at the scripted provider."""
    return ExternalIdentity(
        f"scripted_user://{name}",
        name,
        name.title(),
        tuple(ExternalGroup(f"scripted_group://{group}", group) for group in groups),
    )


@dataclass
class Scripted:
    """Answers by what is in ``people``; its password is ``open sesame`` for everybody."""

    name: str = "corp"
    people: dict[str, Outcome] = field(default_factory=dict)
    down: bool = False
    hang: asyncio.Event | None = None
    asked: list[str] = field(default_factory=list)
    started: bool = False
    closed: bool = False

    async def start(self) -> None:
        """Get ready."""
        self.started = True

    async def close(self) -> None:
        """Let go."""
        self.closed = True

    async def check(self) -> None:
        """Raise where it is down."""
        if self.down:
            raise ProviderUnavailable("connection refused")

    async def authenticate(self, attempt: Attempt) -> Outcome:
        """Who it is."""
        await self.check()
        return self.people.get(attempt.username) if attempt.password == "open sesame" else None

    async def refresh(self, principal_id: str, secret: str | None) -> Outcome:
        """What has become of somebody."""
        self.asked.append(principal_id)
        if self.hang is not None:
            await self.hang.wait()
        await self.check()
        return self.people.get(principal_id.partition("://")[2])


@dataclass
class ScriptedType:
    """The type; ``made`` is every provider of it, by name, the latest one."""

    made: dict[str, Scripted] = field(default_factory=dict)
    settings_model: type[BaseModel] = ScriptedSettings

    def schemes(self, name: str, settings: Any) -> tuple[str, ...]:
        """Its schemes."""
        return ("scripted_user", "scripted_group")

    def create(self, name: str, settings: Any, context: ProviderContext) -> Provider:
        """A provider that knows ann; down where its server is called so."""
        people: dict[str, Outcome] = {"ann": person("ann", "ops")}
        self.made[name] = made = Scripted(name, people, down=settings.server == "down")
        return made
