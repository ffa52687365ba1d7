"""Entries and results of binds and searches. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from providers.base import ProviderUnavailable

SUCCESS, SIZE_LIMIT, REFERRAL, ADMIN_LIMIT, NO_SUCH_OBJECT = 0, 4, 10, 11, 32
CONSTRAINT_VIOLATION, INVALID_CREDENTIALS, UNWILLING = 19, 49, 53

REFUSALS = frozenset({CONSTRAINT_VIOLATION, NO_SUCH_OBJECT, 48, INVALID_CREDENTIALS, 50, UNWILLING})
"""Results of a bind (RFC 4511 appendix A) that concern the account; others concern the server."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry: its DN, and its attributes by name in lower case."""

    dn: str
    attributes: Mapping[str, Sequence[bytes]]

    def raw(self, attribute: str) -> Sequence[bytes]:
        """Return the values of an attribute, which may be none."""
        return self.attributes.get(attribute.lower(), ())

    def first(self, attribute: str) -> bytes | None:
        """Return the first value, or None."""
        values = self.raw(attribute)
        return values[0] if values else None

    def text(self, attribute: str) -> str:
        """Return the first value as text, or an empty text. Raises ProviderUnavailable."""
        return _text(self.first(attribute) or b"", attribute)

    def texts(self, attribute: str) -> list[str]:
        """Return all values as text. Raises ProviderUnavailable if one is not text."""
        return [_text(value, attribute) for value in self.raw(attribute)]


@dataclass(frozen=True, slots=True)
class BindResult:
    """The result of a bind. ``policy`` is the password policy control's value."""

    code: int
    message: str
    policy: bytes | None = None

    @property
    def accepted(self) -> bool:
        """Whether the password was correct."""
        return self.code == SUCCESS


def entry_of(item: Mapping[str, Any]) -> Entry:
    """Convert an entry of ldap3. Raises ValueError if its name is missing or not text."""
    raw = item["raw_attributes"]
    dn = bytes(item["raw_dn"]).decode()
    if not dn:
        raise ValueError("an entry without a name")
    return Entry(dn, {str(name).lower(): tuple(values or ()) for name, values in raw.items()})


def _text(value: bytes, attribute: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as exc:
        raise ProviderUnavailable(f"the directory's {attribute} is not text") from exc
