"""Values that go out and come back: encrypted, for one purpose, good for a while.

What Sekisho must remember between two requests of somebody who isn't known yet (a sign-in that has
begun, a code that was given out) travels with them instead, so that any replica can go on. They
can't read it, nor change it, nor use it for anything else.
"""

import base64
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet

MAX_SEALED = 16 * 1024
"""Longer ones aren't ours."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A sealed value, opened. ``id`` is random: by it, a value can be used once only."""

    id: str
    data: Mapping[str, Any] = field(repr=False)
    expires_at: datetime


class Sealer:
    """Seals and opens, over several keys of 32 bytes: the first seals, all of them open."""

    def __init__(
        self, keys: Sequence[bytes], *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])
        self._now = now

    def seal(self, purpose: str, data: Mapping[str, Any], lifetime: timedelta) -> str:
        """``data`` (JSON), good for ``purpose`` and ``lifetime``. URL-safe text."""
        ends = (self._now() + lifetime).timestamp()
        sealed = {"for": purpose, "id": secrets.token_urlsafe(16), "ends": ends, "data": dict(data)}
        return self._fernet.encrypt(json.dumps(sealed).encode()).decode("ascii")

    def open(self, purpose: str, sealed: str) -> Opened | None:
        """What was sealed for ``purpose``; None where it wasn't, by us, or has ended."""
        if not sealed or len(sealed) > MAX_SEALED or not sealed.isascii():
            return None
        try:
            value = json.loads(self._fernet.decrypt(sealed))
        except InvalidToken:
            return None
        if value["for"] != purpose or value["ends"] <= self._now().timestamp():
            return None
        return Opened(value["id"], value["data"], datetime.fromtimestamp(value["ends"], UTC))
