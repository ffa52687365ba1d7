"""Check objects that a cluster sends before other code reads them. Pure.

The user who registers a cluster, or an attacker who controls it, chooses each byte of its
responses. Objects that pass have the types on which the other code relies. A malformed object is
rejected by itself (:class:`MalformedObject`), so that it does not affect the other objects of a
list.
"""

import string
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from config.errors import UserError
from management.kubernetes.manifests import Manifest

MAX_NAME = 253
"""Characters of a name in Kubernetes."""

MAX_TOKEN = 16 * 1024
"""Characters of a bearer or ``continue`` token: these are sent back in a header or a URL."""

_TEXTS = ("name", "namespace", "uid", "resourceVersion")
_TIMES = ("creationTimestamp", "deletionTimestamp")
_TEXT_MAPS = ("labels", "annotations")
_MAPPINGS = ("spec", "status", "data", "roleRef", "involvedObject", "series", "usage")


class MalformedObject(UserError):
    """An object that no API server sends. The message contains nothing of it."""


def checked_object(value: object, *, named: bool = True, unique: bool = False) -> Manifest:
    """Return a well-formed object without its null fields.

    ``named``: it must have a name. ``unique``: it must have a uid. Raises MalformedObject.
    """
    if not isinstance(value, dict):
        raise MalformedObject("not an object")
    metadata = value.get("metadata")
    if metadata is None and not named:
        metadata = {}
    if not isinstance(metadata, dict):
        raise MalformedObject("no metadata")
    found = {key: one for key, one in value.items() if not (key in _MAPPINGS and one is None)}
    for key in _MAPPINGS:
        if not isinstance(found.get(key, {}), dict):
            raise MalformedObject(f"{key} is not an object")
    checked = _checked_metadata(metadata)
    if "metadata" in found:
        found["metadata"] = checked
    if named and not checked.get("name"):
        raise MalformedObject("no name")
    if unique and not checked.get("uid"):
        raise MalformedObject("no uid")
    return found


def uid_of(manifest: Manifest) -> str:
    """Return an object's uid. Raises MalformedObject if it has none."""
    uid = manifest["metadata"].get("uid")
    if not uid:
        raise MalformedObject("no uid")
    return str(uid)


def checked_items(body: Mapping[str, Any]) -> tuple[list[Manifest], int]:
    """Return the well-formed objects of a list, and the number of objects left out.

    Raises MalformedObject if the response is not a list.
    """
    items = body.get("items")
    if items is None:
        items = []
    if not isinstance(items, list):
        raise MalformedObject("items is not a list")
    good = []
    for item in items:
        try:
            good.append(checked_object(item))
        except MalformedObject:
            continue
    return good, len(items) - len(good)


def continue_token(body: Mapping[str, Any]) -> str:
    """Return the token of the next page; empty after the last page. Raises MalformedObject."""
    token = mapping(body.get("metadata")).get("continue") or ""
    if not isinstance(token, str) or len(token) > MAX_TOKEN:
        raise MalformedObject("continue is not a token")
    return token


def list_version(body: Mapping[str, Any]) -> str:
    """Return the resource version from which to watch. Raises MalformedObject."""
    return _checked_text("resourceVersion", mapping(body.get("metadata")).get("resourceVersion"))


def issued_token(body: Mapping[str, Any]) -> tuple[str, datetime]:
    """Return the token in the response to a TokenRequest, and when it expires.

    Raises MalformedObject.
    """
    status = mapping(body.get("status"))
    expires = moment(status.get("expirationTimestamp"))
    if expires is None:
        raise MalformedObject("a token without an end")
    return bearer(status.get("token")), expires


def bearer(value: object) -> str:
    """Return a token that is valid in a header (RFC 6750 §2.1). Raises MalformedObject."""
    if not isinstance(value, str) or not value or len(value) > MAX_TOKEN:
        raise MalformedObject("no token")
    if not _TOKEN_CHARACTERS.issuperset(value):
        raise MalformedObject("a token with characters that no token has")
    return value


_TOKEN_CHARACTERS = frozenset(string.ascii_letters + string.digits + "-._~+/=")


def mapping(value: object) -> Mapping[str, Any]:
    """Return a JSON object; any other value counts as an empty one."""
    return value if isinstance(value, dict) else {}


def mappings(value: object, most: int = 64) -> list[Mapping[str, Any]]:
    """Return the first JSON objects of a list; any other value counts as empty."""
    found = value if isinstance(value, list) else []
    return [one for one in found[:most] if isinstance(one, dict)]


def text(value: object, most: int = MAX_NAME) -> str | None:
    """Return a string, cut to ``most`` characters, without NUL, which databases reject."""
    if not isinstance(value, str):
        return None
    return value[:most].replace("\0", "\N{REPLACEMENT CHARACTER}")


def number(value: object, default: int = 1, most: int = 10**9) -> int:
    """Return an integer from 0 to ``most``; any other value counts as ``default``."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        return default
    return min(value, most)


def moment(value: object) -> datetime | None:
    """Return an RFC 3339 time in UTC; None for any other value."""
    if not isinstance(value, str) or len(value) > 64:
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo is not None else None
    except (ValueError, OverflowError):
        return None


def is_newer(one: str, other: str) -> bool | None:
    """Return whether a resource version is newer than another; None: they can't be compared.

    Kubernetes compares them as numbers (KEP-5504). Other servers may have opaque versions.
    """
    if not (_is_version(one) and _is_version(other)):
        return None
    return (len(one), one) > (len(other), other)


def _is_version(value: str) -> bool:
    return value.isascii() and value.isdigit() and value[0] != "0"


def _checked_metadata(metadata: Mapping[str, Any]) -> dict[str, Any]:
    found = {key: value for key, value in metadata.items() if value is not None}
    for key in _TEXTS:
        if key in found:
            _checked_text(key, found[key])
    for key in _TIMES:
        if key in found and moment(found[key]) is None:
            raise MalformedObject(f"{key} is not a time")
    for key in _TEXT_MAPS:
        if not _is_text_map(found.get(key, {})):
            raise MalformedObject(f"{key} is not a map of texts")
    owners = found.get("ownerReferences", [])
    if not isinstance(owners, list) or not all(isinstance(one, dict) for one in owners):
        raise MalformedObject("ownerReferences is not a list of objects")
    for key in ("name", "namespace"):
        _check_segment(key, found.get(key))
    return found


def _checked_text(key: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str) or len(value) > MAX_NAME or "\0" in value:
        raise MalformedObject(f"{key} is not a text")
    return value


def _check_segment(key: str, name: str | None) -> None:
    """Raise MalformedObject for a name that is not one segment of a path."""
    if name is not None and (name in {".", ".."} or "/" in name or "%" in name):
        raise MalformedObject(f"{key} is not a name")


def _is_text_map(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(one, str) and "\0" not in one and "\0" not in key for key, one in value.items()
    )
