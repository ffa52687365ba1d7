"""What a directory answers: entries, and the results of binds and searches. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from providers.base import ProviderUnavailable

SUCCESS, SIZE_LIMIT, REFERRAL, ADMIN_LIMIT, NO_SUCH_OBJECT = 0, 4, 10, 11, 32
CONSTRAINT_VIOLATION, INVALID_CREDENTIALS, UNWILLING = 19, 49, 53

REFUSALS = frozenset({CONSTRAINT_VIOLATION, NO_SUCH_OBJECT, 48, INVALID_CREDENTIALS, 50, UNWILLING})
"""Results of a bind (RFC 4511 appendix A) that are about who binds; others are about the server."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry: its DN, and its attributes by name in lower case."""

    dn: str
    attributes: Mapping[str, Sequence[bytes]]

    def raw(self, attribute: str) -> Sequence[bytes]:
        """The values of an attribute; none where it isn't there."""
        return self.attributes.get(attribute.lower(), ())

    def first(self, attribute: str) -> bytes | None:
        """The first value, if there is one."""
        values = self.raw(attribute)
        return values[0] if values else None

    def text(self, attribute: str) -> str:
        """The first value as text, or nothing. Raises ProviderUnavailable where it isn't text."""
        return _text(self.first(attribute) or b"", attribute)

    def texts(self, attribute: str) -> list[str]:
        """All values as text. Raises ProviderUnavailable where one isn't."""
        return [_text(value, attribute) for value in self.raw(attribute)]


@dataclass(frozen=True, slots=True)
class Bound:
    """What a server said to a bind. ``policy`` is the password policy control's value."""

    code: int
    message: str
    policy: bytes | None = None

    @property
    def accepted(self) -> bool:
        """Whether it was the right password."""
        return self.code == SUCCESS


def entry_of(answer: Mapping[str, Any]) -> Entry:
    """ldap3's account of an entry. Raises ValueError where its name is missing or not text."""
    raw = answer["raw_attributes"]
    dn = bytes(answer["raw_dn"]).decode()
    if not dn:
        raise ValueError("an entry without a name")
    return Entry(dn, {str(name).lower(): tuple(values or ()) for name, values in raw.items()})


def _text(value: bytes, attribute: str) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as exc:
        raise ProviderUnavailable(f"the directory's {attribute} is not text") from exc
