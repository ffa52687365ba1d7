"""Stored providers that cannot run: undecryptable settings, or settings that no type accepts.

Such a provider is listed with its state and appears in the health report. It can be disabled and
deleted. It never runs, and its stored settings stay unchanged.
"""

from typing import Any, Never

from pydantic import BaseModel

from providers.base import ProviderContext, ProviderUnavailable
from store.records import StoredProvider


def unreadable(stored: StoredProvider) -> str:
    """Return the message that a provider's stored settings cannot be decrypted, with the remedy."""
    return (
        f'the stored settings of provider "{stored.name}" cannot be decrypted '
        f"({stored.unreadable}); restore their encryption key and restart, or delete the provider "
        "and add it again"
    )


class NoSettings(BaseModel):
    """The placeholder for settings that cannot be used."""


class UnusableType:
    """A :class:`providers.base.ProviderType` for a provider that cannot run, for ``reason``."""

    settings_model = NoSettings

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def schemes(self, name: str, settings: Any) -> tuple[str, ...]:
        """Return no scheme: the store has the schemes that the provider owns."""
        return ()

    def create(self, name: str, settings: Any, context: ProviderContext) -> Never:
        """Raise ProviderUnavailable."""
        raise ProviderUnavailable(self.reason)
