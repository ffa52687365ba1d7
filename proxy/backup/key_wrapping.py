"""Wrap the data key of a backup: with a passphrase, or by a command.

A command gets the data key on standard input as base64, and prints the wrapped key, as any text.
The other command gets that text and prints the data key. So a key management service is used by its
own client, for example ``aws kms encrypt``, and Sekisho needs no credentials for it.
"""

import base64
import binascii
import secrets
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from config.errors import UserError

KEY_BYTES = 32
MIN_PASSPHRASE = 12
"""Characters. A backup can be attacked offline, and contains every key."""

COMMAND_SECONDS = 120.0
MAX_WRAPPED = 64 * 1024

_COST = {"n": 2**17, "r": 8, "p": 1}
"""128 MiB of memory and about half a second, as OWASP recommends for scrypt (RFC 7914)."""

_MAX_COST = {"n": 2**19, "r": 8, "p": 4}
"""A header may not ask for more, 512 MiB and ten seconds: it is read before it can be verified."""

_CONTEXT = b"sekisho backup data key"


class WrongKey(UserError):
    """The passphrase or the command does not unwrap the data key."""


class KeyWrapping(Protocol):
    """Wraps data keys. The wrapped form is a JSON object in the header."""

    def wrap(self, key: bytes) -> dict[str, Any]:
        """Return the wrapped key."""

    def unwrap(self, wrapped: dict[str, Any]) -> bytes:
        """Return the key. Raises WrongKey."""


@dataclass(frozen=True, slots=True, repr=False)
class PassphraseWrapping:
    """A passphrase, hardened by scrypt."""

    passphrase: str

    def wrap(self, key: bytes) -> dict[str, Any]:
        """Return the wrapped key. Raises WrongKey if the passphrase is too short."""
        if len(self.passphrase) < MIN_PASSPHRASE:
            raise WrongKey(f"the passphrase must have at least {MIN_PASSPHRASE} characters")
        salt, nonce = secrets.token_bytes(16), secrets.token_bytes(12)
        sealed = AESGCM(self._derived(salt, _COST)).encrypt(nonce, key, _CONTEXT)
        return {"by": "passphrase", **_COST, "salt": _text(salt), "wrapped": _text(nonce + sealed)}

    def unwrap(self, wrapped: dict[str, Any]) -> bytes:
        """Return the key. Raises WrongKey."""
        if wrapped.get("by") != "passphrase":
            raise WrongKey(
                "the backup's key was wrapped by a command: configure backup.unwrap_command"
            )
        cost = {name: wrapped.get(name) for name in _COST}
        if not all(isinstance(one, int) and 0 < one <= _MAX_COST[key] for key, one in cost.items()):
            raise WrongKey("the backup's header has invalid parameters for scrypt")
        salt, sealed = _bytes(wrapped.get("salt")), _bytes(wrapped.get("wrapped"))
        try:
            return AESGCM(self._derived(salt, cost)).decrypt(sealed[:12], sealed[12:], _CONTEXT)
        except (InvalidTag, ValueError):
            raise WrongKey("the passphrase is wrong, or the backup's header is damaged") from None

    def _derived(self, salt: bytes, cost: dict[str, Any]) -> bytes:
        return Scrypt(salt, KEY_BYTES, cost["n"], cost["r"], cost["p"]).derive(
            self.passphrase.encode()
        )


@dataclass(frozen=True, slots=True)
class CommandWrapping:
    """Two commands, with their arguments. They run without a shell."""

    wrap_command: Sequence[str] = ()
    unwrap_command: Sequence[str] = ()

    def wrap(self, key: bytes) -> dict[str, Any]:
        """Return the wrapped key. Raises WrongKey."""
        wrapped = _run(self.wrap_command, "backup.wrap_command", _text(key).encode())
        return {"by": "command", "wrapped": _text(wrapped)}

    def unwrap(self, wrapped: dict[str, Any]) -> bytes:
        """Return the key. Raises WrongKey."""
        if wrapped.get("by") != "command":
            raise WrongKey("the backup's key was wrapped by a passphrase: give it")
        found = _run(self.unwrap_command, "backup.unwrap_command", _bytes(wrapped.get("wrapped")))
        key = _bytes(found.decode("ascii", "replace").strip())
        if len(key) != KEY_BYTES:
            raise WrongKey("backup.unwrap_command printed something else than the data key")
        return key


def _run(command: Sequence[str], setting: str, given: bytes) -> bytes:
    """Return the output of a command. Errors never contain it."""
    if not command:
        raise WrongKey(f"{setting} is not configured")
    try:
        done = subprocess.run(  # noqa: S603 - the operator's command
            list(command), input=given, stdout=subprocess.PIPE, timeout=COMMAND_SECONDS, check=False
        )
    except OSError as exc:
        raise WrongKey(f"{setting}: {command[0]} can't be run: {exc.strerror}") from exc
    except subprocess.TimeoutExpired:
        raise WrongKey(f"{setting} did not end within {COMMAND_SECONDS:g} seconds") from None
    if done.returncode or not done.stdout or len(done.stdout) > MAX_WRAPPED:
        raise WrongKey(
            f"{setting} failed with exit code {done.returncode}; its error is above"
            if done.returncode
            else f"{setting} printed nothing, or too much"
        )
    return done.stdout


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")


def _bytes(value: object) -> bytes:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):
        return b""
