"""Request ids: they link the access log, the audit log and the cluster's audit log."""

import re
import secrets

_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")

_LAST_DIGITS = tuple(f"{number:02x}" for number in range(256))


def is_well_formed(offered: str) -> bool:
    """Return whether a client's ``X-Request-Id`` can be written anywhere without quoting."""
    return _WELL_FORMED.fullmatch(offered) is not None


class RequestIds:
    """Generate request ids that are unique across processes: a random part, then a count in hex.

    Every id is well-formed: it can be written anywhere without quoting.
    """

    def __init__(self) -> None:
        self._process = secrets.token_hex(6)
        self._count = 0
        self._first_digits = f"{self._process}-000000"

    def next(self, offered: bytes | None = None) -> str:
        """Return the client's ``X-Request-Id`` if it is well-formed, otherwise a new id."""
        if offered is not None:
            text = offered.decode("latin-1")
            if is_well_formed(text):
                return text
        self._count += 1
        last = self._count & 0xFF
        if not last:
            self._first_digits = f"{self._process}-{self._count >> 8:06x}"
        return self._first_digits + _LAST_DIGITS[last]
