"""Encrypted state that a client carries between two requests, for one purpose and a limited time.

Sekisho keeps no state for a client that has not signed in yet (a sign-in that has begun, a code
that was issued). The client carries it, so that any replica can continue. The client can neither
read it, change it, nor use it for another purpose.

Another version of Sekisho may have written the state: an upgrade does not end what has begun. The
model of a state therefore accepts exactly its own fields, and other state counts as invalid, as if
it had expired. The user starts again.
"""

import base64
import json
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Generic, TypeVar

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from pydantic import BaseModel, ConfigDict

MAX_SEALED = 16 * 1024
"""Longer values are not Sekisho's."""


class SealedState(BaseModel):
    """Base of the models of state. ``purpose_name`` is the purpose for which it is encrypted."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, hide_input_in_errors=True)

    purpose_name: ClassVar[str]


State = TypeVar("State", bound=SealedState)


@dataclass(frozen=True, slots=True)
class DecryptedState(Generic[State]):
    """Decrypted state. ``id`` is random: with it, a value can be used only once."""

    id: str
    data: State = field(repr=False)
    expires_at: datetime


class StateCipher:
    """Encrypt and decrypt state with keys of 32 bytes: the first encrypts, all decrypt."""

    def __init__(
        self, keys: Sequence[bytes], *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._fernet = MultiFernet([Fernet(base64.urlsafe_b64encode(key)) for key in keys])
        self._now = now

    def encrypt(self, state: SealedState, lifetime: timedelta) -> str:
        """Return ``state`` encrypted for its purpose and ``lifetime``, as URL-safe text."""
        sealed = {
            "for": state.purpose_name,
            "id": secrets.token_urlsafe(16),
            "ends": (self._now() + lifetime).timestamp(),
            "data": state.model_dump_json(),
        }
        return self._fernet.encrypt(json.dumps(sealed).encode()).decode("ascii")

    def decrypt(self, model: type[State], sealed: str) -> DecryptedState[State] | None:
        """Return the state of a client.

        None: it is not Sekisho's, or for another purpose, or expired, or of another version.
        """
        if not sealed or len(sealed) > MAX_SEALED or not sealed.isascii():
            return None
        try:
            value = json.loads(self._fernet.decrypt(sealed))
            if value["for"] != model.purpose_name or value["ends"] <= self._now().timestamp():
                return None
            state = model.model_validate_json(value["data"])
        except (InvalidToken, KeyError, TypeError, ValueError):
            return None
        return DecryptedState(value["id"], state, datetime.fromtimestamp(value["ends"], UTC))
