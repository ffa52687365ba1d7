"""Parse the groups claim, in the forms of different issuers. Pure.

The claim is a list of texts; one text, or several that are joined by ``groups_separator``; or a
list of objects with the name in ``groups_member``. A claim that cannot be parsed is reported, and
not silently treated as "no groups".
"""

from collections.abc import Callable, Mapping
from typing import Any

from impersonation.reserved_names import UNSENDABLE_CHARACTERS, ReservedName, reject_reserved
from providers.jwt.claims import MISSING, claim
from providers.oidc.settings import OidcSettings

MAX_LENGTH = 1024
"""Characters of a subject or of a group's name."""

Warn = Callable[[str], None]


def groups_of(settings: OidcSettings, claims: Mapping[str, Any], warn: Warn) -> dict[str, str]:
    """Return the groups by key, with display names. ``warn`` is called with problems."""
    if settings.groups_claim is None:
        return {}
    value = claim(claims, settings.groups_claim)
    if value is MISSING or value is None:
        return {}
    found: dict[str, str] = {}
    for one in _members(settings, value, warn):
        key, name = _group(settings, one, warn)
        if key and is_group(key):
            found[key] = name if is_group(name) else key
    return found


def is_group(name: str) -> bool:
    """Return whether ``name`` is a valid name of a group."""
    if not name.strip() or len(name) > MAX_LENGTH:
        return False
    try:
        reject_reserved([name])
    except ReservedName:
        return False
    return not UNSENDABLE_CHARACTERS.search(name)


def _members(settings: OidcSettings, value: Any, warn: Warn) -> list[Any]:
    if isinstance(value, list):
        return value
    if not isinstance(value, str):
        return [value]
    separator = settings.groups_separator
    if separator is not None:
        return [one.strip() for one in value.split(separator)]
    if "," in value or ";" in value:
        warn(
            f"the claim {settings.groups_claim!r} is one text with commas, which counts as one "
            "group: set groups_separator if it contains several"
        )
    return [value]


def _group(settings: OidcSettings, one: Any, warn: Warn) -> tuple[str, str]:
    """Return the key and the name of a group; an empty key if it is not valid."""
    if isinstance(one, Mapping):
        return _of_object(settings, one, warn)
    key = _text(one)
    if key is None:
        warn(
            f"the claim {settings.groups_claim!r} has groups that are neither text nor objects: "
            "they are ignored"
        )
        return "", ""
    return key, key


def _of_object(settings: OidcSettings, one: Mapping[str, Any], warn: Warn) -> tuple[str, str]:
    member = settings.groups_member
    if member is None:
        warn(
            f"the claim {settings.groups_claim!r} has objects, which are ignored: set "
            "groups_member to the member that names a group (id, name or path)"
        )
        return "", ""
    key = _text(one.get(member))
    if key is None:
        warn(
            f"the claim {settings.groups_claim!r} has groups without a text {member!r}: they are "
            "ignored; is groups_member correct?"
        )
        return "", ""
    return key, _text(one.get("name")) or key


def _text(value: Any) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    return str(value)
