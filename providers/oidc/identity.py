"""Convert an issuer's claims to an identity. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from impersonation.reserved_names import ReservedName, is_sendable, reject_reserved
from providers.base import ExternalGroup, ExternalIdentity, Rejected
from providers.jwt.claims import MISSING, claim, text_claim
from providers.jwt.rules import first_unmet
from providers.oidc.groups import MAX_LENGTH, Warn, groups_of, is_group
from providers.oidc.settings import OidcSettings


def schemes_of(name: str) -> tuple[str, str]:
    """Return the schemes of users and groups of the provider ``name``."""
    return f"oidc_{name}_user", f"oidc_{name}_group"


def identity_of(
    name: str,
    settings: OidcSettings,
    claims: Mapping[str, Any],
    *,
    more_groups: Iterable[str] = (),
    secret: str | None = None,
    warn: Warn = lambda text: None,
) -> ExternalIdentity | Rejected:
    """Return the identity of the claims, or a rejection.

    Groups with a reserved name (``system:…``) or with one that cannot be sent are omitted. ``warn``
    is called with problems of the settings.
    """
    subject = text_claim(claims, settings.subject_claim)
    if not subject:
        return Rejected("missing_claim", settings.subject_claim)
    if not is_sendable(subject) or len(subject) > MAX_LENGTH:
        return Rejected("unusable_claim", settings.subject_claim)
    if _groups_elsewhere(settings, claims):
        # Missing groups could mean more permissions, for example with a deny list.
        return Rejected(
            "groups_overage", "too many groups for a token; have the issuer filter them"
        )
    user_scheme, group_scheme = schemes_of(name)
    username = _username(settings, claims) or subject
    groups = groups_of(settings, claims, warn)
    groups |= {one: one for one in more_groups if one not in groups and is_group(one)}
    return ExternalIdentity(
        principal_id=f"{user_scheme}://{subject}",
        username=username,
        display_name=text_claim(claims, settings.display_name_claim) or username,
        groups=tuple(
            ExternalGroup(f"{group_scheme}://{key}", name) for key, name in groups.items()
        ),
        email=_email(settings, claims),
        secret=secret,
    )


def sign_in_rejection(settings: OidcSettings, claims: Mapping[str, Any]) -> Rejected | None:
    """Return why ``required_claims`` reject these claims, or None."""
    unmet = first_unmet("required_claims", settings.required_claims or {}, claims)
    return None if unmet is None else Rejected("required_claim", str(unmet))


def needs_userinfo(settings: OidcSettings, claims: Mapping[str, Any]) -> bool:
    """Return whether a claim is missing that userinfo may have, even if only a name."""
    wanted = (settings.username_claim, settings.display_name_claim)
    return lacks_needed(settings, claims) or any(claim(claims, one) is MISSING for one in wanted)


def lacks_needed(settings: OidcSettings, claims: Mapping[str, Any]) -> bool:
    """Return whether a claim is missing that decides about permissions."""
    wanted = (settings.subject_claim, settings.groups_claim, *(settings.required_claims or {}))
    return any(path is not None and claim(claims, path) is MISSING for path in wanted)


def _username(settings: OidcSettings, claims: Mapping[str, Any]) -> str:
    if settings.username_claim == settings.email_claim:
        return _email(settings, claims)
    name = text_claim(claims, settings.username_claim) or _email(settings, claims)
    if not is_sendable(name) or len(name) > MAX_LENGTH:
        return ""
    try:
        reject_reserved([name])
    except ReservedName:
        return ""
    return name


def _email(settings: OidcSettings, claims: Mapping[str, Any]) -> str:
    """Return the address if the issuer has verified it. A user could enter another's address."""
    verified = claims.get("email_verified")
    if verified is not True and verified != "true":
        return ""
    return text_claim(claims, settings.email_claim)


def _groups_elsewhere(settings: OidcSettings, claims: Mapping[str, Any]) -> bool:
    """Return whether the token has too many groups (Entra ID; OpenID Connect Core §5.6.2)."""
    names = claims.get("_claim_names")
    return (
        settings.groups_claim is not None
        and isinstance(names, Mapping)
        and settings.groups_claim in names
    )
