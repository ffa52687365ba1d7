"""An example of an authentication provider: one user, one password, one group.

Install it into Sekisho's environment and configure it:

    providers:
      - {type: example, name: example, username: zoe, password_file: /etc/sekisho/zoe}
"""

import hmac
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, SecretStr

from providers.base import (
    ExternalGroup,
    ExternalIdentity,
    PasswordAttempt,
    Provider,
    ProviderContext,
)


class ExampleSettings(BaseModel):
    """The provider's settings. A SecretStr field also accepts ``password_file``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    username: str
    password: SecretStr


class ExampleProvider:
    """A provider with one user."""

    def __init__(self, name: str, settings: ExampleSettings) -> None:
        self.name = name
        self._settings = settings

    async def start(self) -> None:
        """Connect to the backend. This example has none."""

    async def close(self) -> None:
        """Disconnect."""

    async def check(self) -> None:
        """Raise ProviderUnavailable if the backend is not usable now."""

    async def authenticate(self, attempt: PasswordAttempt) -> ExternalIdentity | None:
        """Return the identity, or None if the credential is not valid."""
        expected = self._settings.password.get_secret_value().encode()
        if not hmac.compare_digest(attempt.password.encode(), expected):
            return None
        if attempt.username != self._settings.username:
            return None
        return ExternalIdentity(
            principal_id="example_user://1",
            username=self._settings.username,
            display_name=self._settings.username.title(),
            groups=(ExternalGroup("example_group://staff", "Staff"),),
        )


@dataclass(frozen=True)
class ExampleType:
    """The entry point."""

    settings_model: type[BaseModel] = ExampleSettings

    def schemes(self, name: str, settings: ExampleSettings) -> tuple[str, ...]:
        """Return the schemes of principals."""
        return ("example_user", "example_group")

    def create(self, name: str, settings: ExampleSettings, context: ProviderContext) -> Provider:
        """Return a provider called ``name``."""
        return ExampleProvider(name, settings)


PROVIDER = ExampleType()
