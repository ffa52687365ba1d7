"""Distinguish a deleted account from an ended grant in an issuer's response to a refresh. Pure.

``invalid_grant`` (RFC 6749 §5.2) covers both. A refresh token ends for many reasons that do not
justify a lockout: an idle session at the issuer, a restart, a maximum lifetime, a revoked consent.
Therefore an account counts as disabled or deleted only if the issuer states that explicitly.
"""

from collections.abc import Mapping
from typing import Any

_GONE_TEXTS = (
    "user disabled",  # Keycloak
    "account disabled",  # Keycloak
    "unknown user",  # Keycloak
    "user not found",  # Keycloak
    "account has been deleted",  # Google
    "account has been disabled",  # Google
    "user is blocked",  # Auth0
    "user account is disabled",  # Entra ID
)

_ENTRA_GONE = frozenset({50057, 50034, 51004, 50105})
"""UserDisabled, UserAccountNotFound, UserAccountNotInDirectory, not assigned to the application."""


def account_is_gone(fields: Mapping[str, Any]) -> bool:
    """Return whether a token endpoint's error states that the account is disabled or deleted."""
    codes = fields.get("error_codes")
    if isinstance(codes, list) and any(isinstance(c, int) and c in _ENTRA_GONE for c in codes):
        return True
    text = fields.get("error_description")
    if not isinstance(text, str):
        return False
    folded = " ".join(text.casefold().split())
    return any(one in folded for one in _GONE_TEXTS)
