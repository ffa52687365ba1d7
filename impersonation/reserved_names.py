"""Names that no provider may return, and characters that no name may contain. Pure."""

import re
from collections.abc import Iterable

RESERVED_PREFIXES = ("system:", "sekisho:")
"""Names with these prefixes have a meaning to Kubernetes and to Sekisho."""

UNSENDABLE_CHARACTERS = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
"""Control characters and lone surrogates: no HTTP header and no database can store all of them."""


def is_sendable(name: str) -> bool:
    """Return whether a header can carry ``name`` to a cluster unchanged.

    False if the name is empty, contains control characters or lone surrogates, or has surrounding
    white space: a server strips that space, and the result is a different name.
    """
    return bool(name) and name == name.strip() and not UNSENDABLE_CHARACTERS.search(name)


class ReservedName(Exception):
    """A provider returned a user or group name that is reserved for Kubernetes or Sekisho."""

    def __init__(self, name: str) -> None:
        super().__init__(f"the name {name!r} is reserved: no provider may return it")
        self.name = name


def reject_reserved(names: Iterable[str]) -> None:
    """Raise :class:`ReservedName` for the first reserved name.

    The comparison ignores case and surrounding white space: Kubernetes compares exactly, but a
    server in between might not.
    """
    for name in names:
        if name.strip().lower().startswith(RESERVED_PREFIXES):
            raise ReservedName(name)
