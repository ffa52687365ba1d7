"""The part that all readers of an issuer's tokens share: its settings, its keys, and a clock."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from providers.base import Rejected
from providers.jwt.validation import check_issued
from providers.oidc.groups import Warn
from providers.oidc.issuer import Issuer
from providers.oidc.settings import OidcSettings


class IssuedTokens:
    """Base class of readers of one issuer's tokens. ``name`` is the provider's name.

    ``wall_clock`` returns seconds since the epoch. ``warn`` gets texts for the operator.
    """

    def __init__(
        self,
        name: str,
        settings: OidcSettings,
        issuer: Issuer,
        wall_clock: Callable[[], float] = time.time,
        warn: Warn = lambda text: None,
    ) -> None:
        self._name = name
        self._settings = settings
        self._issuer = issuer
        self._wall_clock = wall_clock
        self._warn = warn

    def _issued_rejection(
        self, claims: Mapping[str, Any], audiences: Sequence[str]
    ) -> Rejected | None:
        """Return why the token is of another issuer or audience, or not valid now; else None."""
        return check_issued(
            claims,
            issuer=self._settings.issuer,
            audiences=audiences,
            now=self._wall_clock(),
            skew=self._settings.clock_skew.total_seconds(),
        )
