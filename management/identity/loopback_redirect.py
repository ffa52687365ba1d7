"""The loopback redirect of a command line, and its PKCE proof. Pure.

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


class InvalidRedirect(Exception):
    """The redirect URI or the PKCE parameters are not valid. The message is for the caller."""


@dataclass(frozen=True, slots=True)
class LoopbackRedirect:
    """A command line that waits for a code at ``redirect_uri`` and holds the PKCE verifier."""

    redirect_uri: str
    state: str
    challenge: str

    def url(self, **parameters: str) -> str:
        """Return the redirect URI with ``parameters`` and the state."""
        return f"{self.redirect_uri}?{urlencode(parameters | {'state': self.state})}"


def loopback_target(query: Mapping[str, str]) -> LoopbackRedirect | None:
    """Return the target in a query, or None if the query has none.

    Raises:
        InvalidRedirect: the query has a part of a target, or an invalid one.
    """
    if not any(name in query for name in _PARAMETERS):
        return None
    uri = query.get("redirect_uri", "")
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise InvalidRedirect("redirect_uri is not a URL") from None
    shown = f"[{host}]" if host == "::1" else host
    if host not in _HOSTS or not port or uri != f"http://{shown}:{port}{parts.path}":
        raise InvalidRedirect(
            "redirect_uri must be http://127.0.0.1:<port>/<path> or http://[::1]:<port>/<path>"
        )
    if not _PATH.fullmatch(parts.path):
        raise InvalidRedirect("the path of redirect_uri may have letters, digits and /._~- only")
    if query.get("code_challenge_method") != "S256":
        raise InvalidRedirect("code_challenge_method must be S256")
    if not _CHALLENGE.fullmatch(query.get("code_challenge", "")):
        raise InvalidRedirect("code_challenge must be the base64url of a SHA-256 (RFC 7636 §4.2)")
    if not _STATE.fullmatch(query.get("state", "")):
        raise InvalidRedirect("state must be 1 to 512 visible ASCII characters")
    return LoopbackRedirect(uri, query["state"], query["code_challenge"])


def verify_pkce(verifier: str, challenge: str) -> bool:
    """Return whether ``challenge`` was made from ``verifier`` (RFC 7636 §4.6)."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    made = base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")
    return hmac.compare_digest(made, challenge)
