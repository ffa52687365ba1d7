"""The provider interface that a refresh needs, and the results of a refresh."""

from collections.abc import Sequence
from typing import Literal, Protocol

from management.identity.sign_in_policy import SignInPolicy
from providers.base import Refresher

Result = Literal[
    "refreshed", "refused", "sign_in_needed", "failed", "unavailable", "busy", "unsupported"
]
"""The result for one principal.

``failed``: the provider returned no usable response about it. ``unavailable``: the provider cannot
be reached. ``sign_in_needed``: the provider's grant for refreshing has ended. ``busy``: another
request or replica has just refreshed it. ``unsupported``: the provider cannot refresh.
"""

WhenGrantEnds = Literal["keep_tokens", "cut_off"]
"""What to do with a principal's tokens when its grant has ended."""


class Refreshable(Protocol):
    """A running provider, as far as a refresh uses it."""

    @property
    def name(self) -> str:
        """Return its name."""

    @property
    def refresher(self) -> Refresher | None:
        """Return what refreshes identities; None if it is disabled or cannot."""

    @property
    def schemes(self) -> Sequence[str]:
        """Return the schemes that it owns."""

    @property
    def policy(self) -> SignInPolicy:
        """Return its sign-in policy."""

    async def check(self) -> None:
        """Raise ProviderUnavailable if it cannot be reached."""
