"""Checks of the requests that the proxy sends upstream while it is fuzzed."""

import re
from dataclasses import dataclass
from json import loads

from proxy.upstream.access_review import PATH as REVIEW_PATH

USER, USER_NAME, CLUSTER = "u-fuzzfuzzaa", "fuzz", "c-fuzzfuzzaa"
CREDENTIAL = "service-account-token"
ALLOWED = {"jane", "dev"}
"""Names that the user may impersonate, as user, group, uid or extra."""

_PROXY_HEADERS = re.compile(
    rb"(?i)(impersonate|authorization$|host$|x[-_]remote[-_]|x[-_]forwarded[-_]|forwarded$|cookie$"
    rb"|proxy([-_]|$)|te$|trailer$|expect$|keep[-_]alive$|x[-_]csrf[-_]token$|content[-_]length$"
    rb"|transfer[-_]encoding$|connection$|upgrade$|x[-_]request[-_]id$)"
)
_REQUEST_ID = rb"[A-Za-z0-9][A-Za-z0-9._-]{7,63}"


class Violation(Exception):
    """The proxy sent something that it must not send."""


@dataclass
class ForwardedRequest:
    """A request as h11 parsed it, and whether it is complete."""

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    complete: bool = False


def is_review(request: ForwardedRequest) -> bool:
    """Return whether the proxy itself sent this access review.

    A review that a client sends carries impersonation headers.
    """
    identity = any(name.lower().startswith(b"impersonate") for name, _ in request.headers)
    return request.target == REVIEW_PATH.encode() and not identity


def check_request(request: ForwardedRequest, port: int) -> None:
    """Check a request for the upstream at ``port``. Raises Violation."""
    proxy_headers = [(name, value) for name, value in request.headers if _PROXY_HEADERS.match(name)]
    by_name: dict[bytes, list[bytes]] = {}
    for name, value in proxy_headers:
        if b"_" in name and not name.startswith(b"Impersonate-Extra-"):
            raise Violation(f"{name!r} could be read as a header of the proxy: {request}")
        by_name.setdefault(name.lower().replace(b"_", b"-"), []).append(value)
    if by_name.pop(b"authorization", []) != [b"Bearer " + CREDENTIAL.encode()]:
        raise Violation(f"the credential is not the cluster's: {request}")
    if by_name.pop(b"host", []) != [b"127.0.0.1:%d" % port]:
        raise Violation(f"the host is not the upstream's: {request}")
    _check_framing(request, by_name)
    if is_review(request):
        _check_review(request)
    else:
        if by_name.pop(b"x-forwarded-for", []) != [b"127.0.0.1"]:
            raise Violation(f"the address is not the client's: {request}")
        _check_identity(request, by_name)
    if by_name:
        raise Violation(f"{sorted(by_name)} must not be forwarded: {request}")


def _check_framing(request: ForwardedRequest, by_name: dict[bytes, list[bytes]]) -> None:
    length = by_name.pop(b"content-length", [])
    encoding = by_name.pop(b"transfer-encoding", [])
    connection, upgrade = by_name.pop(b"connection", []), by_name.pop(b"upgrade", [])
    if len(length) + len(encoding) > 1 or encoding not in ([], [b"chunked"]):
        raise Violation(f"more than one framing: {request}")
    upgrade_headers = (connection, [one.lower() for one in upgrade])
    if upgrade_headers not in (
        ([], []),
        ([b"Upgrade"], [b"websocket"]),
        ([b"Upgrade"], [b"spdy/3.1"]),
    ):
        raise Violation(f"neither a plain request nor a known upgrade: {request}")
    if upgrade and (length or encoding):
        raise Violation(f"an upgrade with a body: {request}")


def _check_review(request: ForwardedRequest) -> None:
    spec = loads(request.body)["spec"]
    if spec["user"] != USER or request.method != b"POST":
        raise Violation(f"a review of another user: {request.body!r}")


def _check_identity(request: ForwardedRequest, by_name: dict[bytes, list[bytes]]) -> None:
    identity = [line for line in request.headers if line[0].lower().startswith(b"impersonate")]
    if request.headers[-len(identity) :] != identity:
        raise Violation(f"the identity is not last: {request}")
    name, request_id = identity.pop()
    if name != b"Impersonate-Extra-Requestid" or not re.fullmatch(_REQUEST_ID, request_id):
        raise Violation(f"the request id is not last: {request}")
    if identity != own_identity() and not _is_allowed_impersonation(identity):
        raise Violation(f"the identity of another user: {request}")
    for name in list(by_name):
        if name.startswith(b"impersonate"):
            del by_name[name]


def own_identity() -> list[tuple[bytes, bytes]]:
    """Return the impersonation headers of the user."""
    principal = f"local://{USER}".encode()
    return [
        (b"Impersonate-User", USER.encode()),
        (b"Impersonate-Uid", USER.encode()),
        (b"Impersonate-Group", b"system:authenticated"),
        (b"Impersonate-Group", b"sekisho:authenticated"),
        (b"Impersonate-Extra-Username", USER_NAME.encode()),
        (b"Impersonate-Extra-Principalid", principal),
    ]


def _is_allowed_impersonation(identity: list[tuple[bytes, bytes]]) -> bool:
    """Return whether the user may impersonate this identity and the extras name the user."""
    original = [
        (b"Impersonate-Extra-Originaluser", USER.encode()),
        (b"Impersonate-Extra-Originalusername", USER_NAME.encode()),
        (b"Impersonate-Extra-Originalprincipalid", f"local://{USER}".encode()),
    ]
    rest = [line for line in identity if line not in original]
    return (
        len(identity) - len(rest) == len(original)
        and rest[:1] == [(b"Impersonate-User", b"jane")]
        and all(value.decode() in ALLOWED for _, value in rest)
        and sum(name in {b"Impersonate-User", b"Impersonate-Uid"} for name, _ in rest) <= 2
    )
