"""Request ids: the one thread through access log, audit log and the cluster's own audit log."""

import itertools
import re
import secrets

_WELL_FORMED = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")


class RequestIds:
    """Makes request ids, unique over all processes: a random part each, then a count."""

    def __init__(self) -> None:
        self._prefix = secrets.token_hex(6)
        self._count = itertools.count(1)

    def next(self, offered: bytes | None = None) -> str:
        """The id that the client offers in ``X-Request-Id`` if well-formed, else a new one."""
        if offered is not None:
            text = offered.decode("latin-1")
            if _WELL_FORMED.fullmatch(text):
                return text
        return f"{self._prefix}-{next(self._count):08x}"
