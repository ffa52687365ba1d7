"""Settings of identities after the sign-in: refresh and retention. Pure."""

from datetime import timedelta
from typing import Literal

from pydantic import model_validator

from config.section import Duration, Section


class RetentionSettings(Section):
    """Actions on inactive users. By default, none. Administrators are exempt."""

    disable_after: Duration | None = None
    """Inactivity (no sign-in, no token created or used) after which a user is disabled: ``90d``."""

    delete_after: Duration | None = None
    """Inactivity after which a disabled user is deleted, with tokens and role bindings."""

    @model_validator(mode="after")
    def _in_order(self) -> "RetentionSettings":
        if self.delete_after is not None and (
            self.disable_after is None or self.delete_after <= self.disable_after
        ):
            raise ValueError("delete_after needs a shorter disable_after; set both, or neither")
        return self


class IdentitySettings(Section):
    """Refresh of users from their providers."""

    refresh_interval: Duration = timedelta(hours=1)
    """The maximum age of a user's data. A deleted account loses access within this time."""

    when_grant_ends: Literal["keep_tokens", "cut_off"] = "keep_tokens"
    """The effect on a user's tokens when a provider's refresh token has ended (an idle session at
    the provider, a revoked consent). That does not mean that the account is gone. ``keep_tokens``:
    tokens stay valid until they expire. ``cut_off``: they are revoked, as for a deleted account."""

    retention: RetentionSettings = RetentionSettings()
