"""Request ids: the one thread through access log, audit log and the cluster's own audit log."""

import re
import secrets

_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")


_LAST_DIGITS = tuple(f"{number:02x}" for number in range(256))


class RequestIds:
    """Makes request ids, unique over all processes: a random part each, then a count in hex.

    Every one is well-formed: it may be written anywhere without quoting.
    """

    def __init__(self) -> None:
        self._process = secrets.token_hex(6)
        self._count = 0
        self._first_digits = f"{self._process}-000000"

    def next(self, offered: bytes | None = None) -> str:
        """The id that the client offers in ``X-Request-Id`` if well-formed, else a new one."""
        if offered is not None:
            text = offered.decode("latin-1")
            if _WELL_FORMED.fullmatch(text):
                return text
        self._count += 1
        last = self._count & 0xFF
        if not last:
            self._first_digits = f"{self._process}-{self._count >> 8:06x}"
        return self._first_digits + _LAST_DIGITS[last]
