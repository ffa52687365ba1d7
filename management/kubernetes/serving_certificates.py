"""The certificates of a cluster's API servers, as seen on the connections to them."""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Self

from cryptography import x509

from management.kubernetes.validation import mapping, moment

MAX_CERTIFICATES = 16
"""Certificates that are remembered: one for each API server behind one address."""

RECENT_SECONDS = 3600.0
"""A certificate counts for this long after another connection had a newer one, since the next
connection may go to another API server. After a renewal, the former one no longer counts."""


@dataclass(frozen=True, slots=True)
class Validity:
    """When a certificate begins and ceases to be valid."""

    begins_at: datetime
    ends_at: datetime

    @classmethod
    def read(cls, data: object) -> Self | None:
        """Return the validity that :meth:`shown` returned as ``data``; None for other values."""
        found = mapping(data)
        begins_at, ends_at = moment(found.get("begins_at")), moment(found.get("ends_at"))
        return cls(begins_at, ends_at) if begins_at and ends_at else None

    def shown(self) -> dict[str, str]:
        """Return the validity as plain JSON."""
        return {"begins_at": self.begins_at.isoformat(), "ends_at": self.ends_at.isoformat()}


class ServingCertificates:
    """The certificates on recent connections. ``clock`` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._seen: dict[bytes, tuple[float, Validity]] = {}

    def observe(self, context: ssl.SSLContext) -> None:
        """Note the peer's certificate of each connection that is made with ``context``."""
        note = self.note

        class Observed(ssl.SSLObject):
            def do_handshake(self) -> None:
                super().do_handshake()
                note(self.getpeercert(binary_form=True))

        context.sslobject_class = Observed

    def note(self, der: bytes | None) -> None:
        """Note a certificate that a server has just used. One that is not readable is ignored."""
        if der is None:
            return
        digest = sha256(der).digest()
        known = self._seen.pop(digest, None)
        validity = known[1] if known is not None else _validity(der)
        if validity is None:
            return
        self._seen[digest] = self._clock(), validity
        if len(self._seen) > MAX_CERTIFICATES:
            del self._seen[next(iter(self._seen))]

    @property
    def first_to_end(self) -> Validity | None:
        """Return the validity of the certificate that ends first; None: none was seen."""
        if not self._seen:
            return None
        latest = max(seen for seen, _ in self._seen.values())
        recent = [one for seen, one in self._seen.values() if latest - seen < RECENT_SECONDS]
        return min(recent, key=lambda one: one.ends_at)


def _validity(der: bytes) -> Validity | None:
    try:
        found: Any = x509.load_der_x509_certificate(der)
        return Validity(found.not_valid_before_utc, found.not_valid_after_utc)
    except ValueError:
        return None
