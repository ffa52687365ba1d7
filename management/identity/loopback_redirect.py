"""Where a command line waits for its sign-in, and the proof that it is the same one. Pure.

RFC 8252 §7.3 (loopback redirection) with PKCE (RFC 7636, S256 only).
"""

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode, urlsplit

_HOSTS = frozenset({"127.0.0.1", "::1"})
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
_STATE = re.compile(r"[\x21-\x7e]{1,512}")
_PATH = re.compile(r"/[A-Za-z0-9/._~-]{0,256}")
_PARAMETERS = ("redirect_uri", "state", "code_challenge", "code_challenge_method")


class BadTarget(Exception):
    """The command line can't be answered there. The message is for its author."""


@dataclass(frozen=True, slots=True)
class LoopbackTarget:
    """A command line that waits at ``redirect_uri`` for a code, and holds ``challenge``'s key."""

    redirect_uri: str
    state: str
    challenge: str

    def answer(self, **said: str) -> str:
        """The URL that tells it."""
        return f"{self.redirect_uri}?{urlencode(said | {'state': self.state})}"


def loopback_target(query: Mapping[str, str]) -> LoopbackTarget | None:
    """The target in a query; None where it names none. Raises BadTarget."""
    if not any(name in query for name in _PARAMETERS):
        return None
    uri = query.get("redirect_uri", "")
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise BadTarget("redirect_uri is not a URL") from None
    shown = f"[{host}]" if host == "::1" else host
    if host not in _HOSTS or not port or uri != f"http://{shown}:{port}{parts.path}":
        raise BadTarget("redirect_uri must be http://127.0.0.1:<port>/<path> or http://[::1]:…")
    if not _PATH.fullmatch(parts.path):
        raise BadTarget("redirect_uri must have a plain path")
    if query.get("code_challenge_method") != "S256":
        raise BadTarget("code_challenge_method must be S256")
    if not _CHALLENGE.fullmatch(query.get("code_challenge", "")):
        raise BadTarget("code_challenge must be the base64url of a SHA-256 (RFC 7636 §4.2)")
    if not _STATE.fullmatch(query.get("state", "")):
        raise BadTarget("state must be 1 to 512 visible ASCII characters")
    return LoopbackTarget(uri, query["state"], query["code_challenge"])


def proves(verifier: str, challenge: str) -> bool:
    """Whether ``verifier`` is what ``challenge`` was made of (RFC 7636 §4.6)."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    made = base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
    return hmac.compare_digest(made, challenge)
