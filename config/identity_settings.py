"""What becomes of people after they have signed in."""

from datetime import timedelta

from pydantic import model_validator

from config.section import Duration, Section


class RetentionSettings(Section):
    """What happens to users who are not seen any more. Nothing given: nothing.

    Administrators are never touched.
    """

    disable_after: Duration | None = None
    """How long unseen (no sign-in, no token made or used) before a user is disabled: ``90d``."""

    delete_after: Duration | None = None
    """How long unseen before a disabled user is deleted, with tokens and grants."""

    @model_validator(mode="after")
    def _in_order(self) -> "RetentionSettings":
        if self.delete_after is not None and (
            self.disable_after is None or self.delete_after <= self.disable_after
        ):
            raise ValueError("delete_after needs a shorter disable_after; give both, or neither")
        return self


class IdentitySettings(Section):
    """How people are kept in step with their providers."""

    refresh_interval: Duration = timedelta(hours=1)
    """How old what is known of somebody may grow: who is gone is out after this at the latest."""

    retention: RetentionSettings = RetentionSettings()
