"""From an issuer's claims to somebody as Sekisho knows them. Pure."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from impersonation.policy import ReservedName, refuse_reserved
from providers.base import ExternalGroup, ExternalIdentity, Refused
from providers.claim_rules import first_unmet
from providers.claims import MISSING, claim, text_claim
from providers.oidc_settings import OidcSettings

MAX_LENGTH = 1024
"""Of a subject or a group's name."""

_UNTELLABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


def schemes_of(name: str) -> tuple[str, str]:
    """The schemes of the people and the groups of the provider ``name``."""
    return f"oidc_{name}_user", f"oidc_{name}_group"


def identity_of(
    name: str,
    settings: OidcSettings,
    claims: Mapping[str, Any],
    *,
    more_groups: Iterable[str] = (),
    secret: str | None = None,
) -> ExternalIdentity | Refused:
    """Who the claims speak of, or why they can't be taken.

    Groups that nobody may be given (``system:…``), or whose names can't be told, are left out.
    """
    subject = text_claim(claims, settings.subject_claim)
    if not subject.strip() or len(subject) > MAX_LENGTH or _UNTELLABLE.search(subject):
        return Refused("missing_claim", settings.subject_claim)
    if _groups_elsewhere(settings, claims):
        # Fewer groups than somebody has could also mean more rights: of a deny list, say.
        return Refused("groups_overage", "too many groups for a token; have the issuer filter them")
    user_scheme, group_scheme = schemes_of(name)
    username = _username(settings, claims) or subject
    groups = dict.fromkeys([*_groups(settings, claims), *more_groups])
    return ExternalIdentity(
        principal_id=f"{user_scheme}://{subject}",
        username=username,
        display_name=text_claim(claims, settings.display_name_claim) or username,
        groups=tuple(
            ExternalGroup(f"{group_scheme}://{one}", one) for one in groups if _is_group(one)
        ),
        email=_email(settings, claims),
        secret=secret,
    )


def sign_in_refusal(settings: OidcSettings, claims: Mapping[str, Any]) -> Refused | None:
    """Why somebody with these claims may not sign in, by ``required_claims``."""
    unmet = first_unmet("required_claims", settings.required_claims or {}, claims)
    return None if unmet is None else Refused("required_claim", str(unmet))


def lacks(settings: OidcSettings, claims: Mapping[str, Any]) -> bool:
    """Whether userinfo may have something that is missing here."""
    wanted = (settings.username_claim, settings.display_name_claim, settings.groups_claim)
    return any(path is not None and claim(claims, path) is MISSING for path in wanted)


def _username(settings: OidcSettings, claims: Mapping[str, Any]) -> str:
    if settings.username_claim == settings.email_claim:
        return _email(settings, claims)
    name = text_claim(claims, settings.username_claim) or _email(settings, claims)
    if not name.strip() or _UNTELLABLE.search(name) or len(name) > MAX_LENGTH:
        return ""
    try:
        refuse_reserved([name])
    except ReservedName:
        return ""
    return name


def _email(settings: OidcSettings, claims: Mapping[str, Any]) -> str:
    """The address, where the issuer has verified it: anybody could claim another's."""
    verified = claims.get("email_verified")
    if verified is not True and verified != "true":
        return ""
    return text_claim(claims, settings.email_claim)


def _groups(settings: OidcSettings, claims: Mapping[str, Any]) -> list[str]:
    if settings.groups_claim is None:
        return []
    value = claim(claims, settings.groups_claim)
    listed = value if isinstance(value, list) else [value]
    return [one for one in listed if isinstance(one, str)]


def _is_group(name: str) -> bool:
    if not name.strip() or len(name) > MAX_LENGTH or _UNTELLABLE.search(name):
        return False
    try:
        refuse_reserved([name])
    except ReservedName:
        return False
    return True


def _groups_elsewhere(settings: OidcSettings, claims: Mapping[str, Any]) -> bool:
    """Whether the groups are too many for the token (Entra ID: OpenID Connect Core §5.6.2)."""
    names = claims.get("_claim_names")
    return (
        settings.groups_claim is not None
        and isinstance(names, Mapping)
        and settings.groups_claim in names
    )
