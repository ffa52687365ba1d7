"""The stored sign-in as kubectl's calls need it: found, read and printed with few imports.

kubectl runs ``sekisho credential`` for each call, and nearly always the stored token is good. Then
this module alone does the work. Anything else is left to :mod:`~proxy.cli.client.credential`. The
two print the same, which a test compares.

``re``, ``pathlib``, ``dataclasses`` and ``json`` each take more time to import than everything that
happens here. Three of the standard library's modules are therefore used without their Python part;
where that doesn't exist, the whole module is imported.
"""

import os
import sys
import time

VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
"""The API versions that client-go may request in ``KUBERNETES_EXEC_INFO``."""

RENEW_BEFORE_SECONDS = 600.0

TYPE_CHECKING = False  # typing takes longer to import than the rest of this module
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any


def normalised(server: str) -> str:
    """Return a server's URL as a key: lower case, without default port and trailing slash."""
    scheme, separator, rest = server.strip().rstrip("/").lower().partition("://")
    by_default = {"https": ":443", "http": ":80"}.get(scheme, "")
    return f"{scheme}{separator}{rest.removesuffix(by_default)}"


def folder(environ: "Mapping[str, str]") -> str:
    """Return the folder of sign-ins. Raises LookupError for a user without a home."""
    base = environ.get("XDG_CONFIG_HOME")
    if not base:
        home = os.path.expanduser("~")
        if home.startswith("~"):
            raise LookupError("no home folder")
        base = f"{home}{os.sep}.config"
    return os.sep.join((base, "sekisho", "credentials"))


def file_name(server: str) -> str:
    """Return the name of the file for ``server``."""
    digest = _sha256(normalised(server).encode()).hexdigest()
    return f"{digest[:32]}.json"


def is_due(
    now: float, expires_at: float | None, renewable_until: float | None, issued_at: float | None
) -> bool:
    """Return whether to renew a token: less than a third of its life or ten minutes are left.

    All times are seconds since 1970 by the server's clock. An expired token isn't due.
    """
    if expires_at is None or renewable_until is None or expires_at <= now:
        return False
    left = expires_at - now
    life = expires_at - (now if issued_at is None else issued_at)
    # Near ``renewable_until``, a renewed token would expire no later than this one.
    return left < max(RENEW_BEFORE_SECONDS, life / 3) and renewable_until - now > left


def exec_credential(token: str, ends: str | None, environ: "Mapping[str, str]") -> str:
    """Return an ``ExecCredential`` as JSON. ``ends`` is by this machine's clock (RFC 3339)."""
    status = f'"token": {_quoted(token)}'
    if ends is not None:
        status += f', "expirationTimestamp": "{ends}"'
    version = _version(environ)
    return f'{{"apiVersion": "{version}", "kind": "ExecCredential", "status": {{{status}}}}}'


def cached(arguments: "Sequence[str]", environ: "Mapping[str, str]") -> str | None:
    """Return what ``sekisho`` with ``arguments`` prints, or None if that takes more than reading.

    That is the case unless the command is ``credential --server URL`` and the stored token is good.
    """
    server = _server(arguments)
    if server is None:
        return None
    try:
        file = os.sep.join((folder(environ), file_name(server)))
        with open(file, encoding="utf-8") as stream:
            return _printed(_parsed(stream.read()), time.time(), environ)
    except Exception:  # the command explains it
        return None


def main(arguments: "Sequence[str]", environ: "Mapping[str, str]") -> bool:
    """Print the stored credential. False if nothing was printed."""
    text = cached(arguments, environ)
    if text is None or sys.stdout is None:
        return False
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    return True


def _server(arguments: "Sequence[str]") -> str | None:
    if len(arguments) == 3 and arguments[:2] == ["credential", "--server"]:
        return arguments[2]
    if len(arguments) == 2 and arguments[0] == "credential":
        name, _, value = arguments[1].partition("=")
        return value if name == "--server" else None
    return None


def _printed(data: "Any", now: float, environ: "Mapping[str, str]") -> str | None:
    """Return the text for a token that is neither due nor expired nor in a keyring; else None."""
    token, ends = data.get("token"), data["expires_at"]
    if not token or not isinstance(token, str):
        return None
    shift = float(data.get("clock_offset", 0))
    if not ends:
        return exec_credential(token, None, environ)
    expires_at = _datetime.datetime.fromisoformat(ends)
    if expires_at.tzinfo is None:
        return None
    seconds = expires_at.timestamp()
    others = (_seconds(data.get("renewable_until")), _seconds(data.get("issued_at")))
    if seconds <= now + shift or is_due(now + shift, seconds, *others):
        return None
    local = expires_at - _datetime.timedelta(seconds=shift)
    text = local.astimezone(_datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return exec_credential(token, text, environ)


def _seconds(text: "Any") -> float | None:
    return _datetime.datetime.fromisoformat(text).timestamp() if text else None


def _version(environ: "Mapping[str, str]") -> str:
    try:
        requested = _parsed(environ.get("KUBERNETES_EXEC_INFO", "{}")).get("apiVersion")
    except Exception:  # a parser in C raises several kinds of errors for text that is not JSON
        requested = None
    return requested if requested in VERSIONS else VERSIONS[0]


def _module(names: "Sequence[str]") -> "Any":
    """Import the first module that exists."""
    for name in names[:-1]:
        try:
            return __import__(name)
        except ImportError:
            continue
    return __import__(names[-1])


_datetime = _module(("_datetime", "datetime"))
_sha256 = _module(("_sha2", "_sha256", "hashlib")).sha256
_json = _module(("_json", "json"))


class _Plain:
    """The settings of a JSON scanner: plain values."""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int, parse_constant = float, int, float
    memo: "dict[str, str]" = {}  # noqa: RUF012  # the scanner in C has a memo of its own


def _parsed(text: str) -> "Any":
    if not hasattr(_json, "make_scanner"):
        return _json.loads(text)
    value, end = _json.make_scanner(_Plain)(text, 0)
    if text[end:].strip():
        raise ValueError("data after the value")
    return value


def _quoted(text: str) -> str:
    if not hasattr(_json, "encode_basestring_ascii"):
        return str(_json.dumps(text))
    return str(_json.encode_basestring_ascii(text))
