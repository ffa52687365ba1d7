"""An example of an authentication provider: one person, one shared secret, one group.

Install it into Sekisho's environment and configure it:

    providers:
      - {type: example, name: example, person: zoe, secret_file: /etc/sekisho/zoe}
"""

import hmac
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict, SecretStr

from providers.base import Attempt, ExternalGroup, ExternalIdentity, Provider, ProviderContext


class ExampleSettings(BaseModel):
    """What an operator may say. A SecretStr field may also be given as ``secret_file``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    person: str
    secret: SecretStr


class ExampleProvider:
    """Knows one person."""

    def __init__(self, name: str, settings: ExampleSettings) -> None:
        self.name = name
        self._settings = settings

    async def start(self) -> None:
        """Connect to the backend; there is none here."""

    async def close(self) -> None:
        """Disconnect."""

    async def check(self) -> None:
        """Raise ProviderUnavailable where the backend can't be used now."""

    async def authenticate(self, attempt: Attempt) -> ExternalIdentity | None:
        """Who it is; None for everybody else."""
        expected = self._settings.secret.get_secret_value().encode()
        if not hmac.compare_digest(attempt.password.encode(), expected):
            return None
        if attempt.username != self._settings.person:
            return None
        return ExternalIdentity(
            principal_id="example_user://1",
            username=self._settings.person,
            display_name=self._settings.person.title(),
            groups=(ExternalGroup("example_group://staff", "Staff"),),
        )


@dataclass(frozen=True)
class ExampleType:
    """The entry point."""

    settings_model: type[BaseModel] = ExampleSettings

    def schemes(self, name: str, settings: ExampleSettings) -> tuple[str, ...]:
        """The schemes of its principals."""
        return ("example_user", "example_group")

    def create(self, name: str, settings: ExampleSettings, context: ProviderContext) -> Provider:
        """A provider called ``name``."""
        return ExampleProvider(name, settings)


PROVIDER = ExampleType()
