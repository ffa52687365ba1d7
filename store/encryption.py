r"""Encryption at rest: AES-256-GCM under a list of keys, bound to where a value is stored.

The first key encrypts, all of them decrypt, so keys rotate by putting a new one in front. A value
is bound to its table, column and row (as associated data): if an attacker with write access to
the database moves it, it cannot be decrypted. See docs/decisions/0004-encryption-at-rest.md.

Envelope: ``b"\\x01"``, 4 bytes that name the key, a 12-byte nonce, ciphertext and tag.
"""

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES = 32
_VERSION = b"\x01"
_NAME_BYTES, _NONCE_BYTES = 4, 12
_HEAD_BYTES = 1 + _NAME_BYTES + _NONCE_BYTES


class Undecryptable(Exception):
    """No key decrypts the value, or it belongs to another place. Reveals nothing of its content."""


def generate_key() -> str:
    """Return a new key as text for a key file: base64 of 32 random bytes."""
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode("ascii")


class Keyring:
    """Keys of 32 bytes each, newest first. Neither ``repr`` nor errors contain a key."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ValueError("at least one encryption key is needed")
        if any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"an encryption key must have {KEY_BYTES} bytes")
        self._keys = tuple(keys)
        self.made_in: Path | None = None
        """The file of a key that was generated in this start; None for an existing key."""
        # Values are encrypted with derived keys, never with the key itself.
        self._ciphers = {
            _name(key): AESGCM(_derive(key, "store", KEY_BYTES)) for key in reversed(self._keys)
        }
        self._first = _name(self._keys[0])

    @classmethod
    def parse(cls, text: str) -> "Keyring":
        """Parse base64 keys, separated by commas or white space, newest first. ``#`` begins a
        comment.

        Raises ValueError, which names an invalid key by its position only.
        """
        words = [
            word for line in text.splitlines() for word in _bare(line).replace(",", " ").split()
        ]
        keys = []
        for position, word in enumerate(words, start=1):
            try:
                key = base64.b64decode(word, validate=True)
            except binascii.Error:
                raise ValueError(f"encryption key {position} is not base64") from None
            if len(key) != KEY_BYTES:
                raise ValueError(
                    f"encryption key {position} has {len(key)} bytes; it must have {KEY_BYTES} "
                    f"(make one with: openssl rand -base64 32)"
                )
            keys.append(key)
        return cls(keys)

    def encrypt(self, plaintext: str, context: str) -> bytes:
        """Return the envelope of ``plaintext``. Decryption needs the same ``context``."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = self._ciphers[self._first].encrypt(nonce, plaintext.encode(), context.encode())
        return _VERSION + self._first + nonce + sealed

    def decrypt(self, envelope: bytes, context: str) -> str:
        """Return the plaintext. Raises Undecryptable."""
        cipher = self._ciphers.get(envelope[1 : 1 + _NAME_BYTES])
        if cipher is None or not envelope.startswith(_VERSION):
            raise Undecryptable("no configured key opens the value")
        nonce = envelope[1 + _NAME_BYTES : _HEAD_BYTES]
        try:
            return cipher.decrypt(nonce, envelope[_HEAD_BYTES:], context.encode()).decode()
        except (InvalidTag, ValueError):
            raise Undecryptable("the value was changed, or stored for another place") from None

    def knows(self, envelope: bytes) -> bool:
        """Return whether this keyring has the envelope's key."""
        return envelope[1 : 1 + _NAME_BYTES] in self._ciphers

    def needs_rotation(self, envelope: bytes) -> bool:
        """Return whether the envelope's key is not the first one."""
        return envelope[1 : 1 + _NAME_BYTES] != self._first

    def derive(self, purpose: str, length: int = KEY_BYTES) -> bytes:
        """Return a key for another purpose, derived from the first key (HKDF, RFC 5869)."""
        return _derive(self._keys[0], purpose, length)

    def derive_all(self, purpose: str, length: int = KEY_BYTES) -> list[bytes]:
        """Return the derived keys of every key, newest first."""
        return [_derive(key, purpose, length) for key in self._keys]

    def __repr__(self) -> str:
        return f"<Keyring of {len(self._keys)}>"


def _bare(line: str) -> str:
    return line.partition("#")[0]


def _name(key: bytes) -> bytes:
    """Return the name of a key in envelopes, which reveals nothing about the key."""
    return hashlib.sha256(b"sekisho key name" + key).digest()[:_NAME_BYTES]


def _derive(key: bytes, purpose: str, length: int) -> bytes:
    return HKDF(SHA256(), length, salt=None, info=b"sekisho " + purpose.encode()).derive(key)
