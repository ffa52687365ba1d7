"""A provider and a clock for tests of limits on password attempts."""

from providers.base import (
    ExternalIdentity,
    PasswordAttempt,
    ProviderUnavailable,
)
from providers.throttle import Limits

LIMITS = Limits(attempts_per_user=3, attempts_per_address=6, window=60.0)


class CountingProvider:
    """Provider that accepts one password and counts the attempts."""

    name = "local"

    def __init__(self) -> None:
        self.attempts = 0
        self.broken = False

    async def authenticate(self, attempt: PasswordAttempt) -> ExternalIdentity | None:
        self.attempts += 1
        if self.broken:
            raise ProviderUnavailable("down")
        if attempt.password != "right":
            return None
        return ExternalIdentity(f"local://{attempt.username}", attempt.username, "")


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now
