"""The ``Impersonate-*`` header block, by which a cluster learns the caller's identity. Pure.

The block is bytes that are ready to be sent. It depends only on identity and cluster, so callers
build it once and cache it. They append the one line that differs per request
(:func:`request_id_line`).
"""

from collections.abc import Iterable
from types import MappingProxyType
from urllib.parse import quote

from impersonation.identity import (
    ADMINISTRATORS_GROUP,
    AUTHENTICATED_GROUPS,
    Identity,
    Subject,
)
from impersonation.reserved_names import is_sendable

MAX_BLOCK_BYTES = 512 * 1024
"""More than any identity in practice (1,000 groups take about 60 KB), and less than the 1 MiB that
a Go server accepts as a request's header."""


class UnrepresentableIdentity(Exception):
    """The identity cannot be sent to Kubernetes in full, so nothing is sent."""


def subject_of(identity: Identity, user: str) -> Subject:
    """Return the subject of ``identity`` in a cluster that knows the user as ``user``."""
    groups = [group.id for group in identity.groups]
    if identity.administrator:
        groups.append(ADMINISTRATORS_GROUP)
    return Subject(
        user=user,
        uid=identity.user_id,
        groups=(*groups, *AUTHENTICATED_GROUPS),
        extra=MappingProxyType(
            {"username": (identity.username,), "principalid": (identity.principal_id,)}
        ),
    )


def impersonation_headers(subject: Subject) -> bytes:
    """Return the subject as header lines, each ended by CRLF.

    Raises:
        UnrepresentableIdentity: a value is empty, has control characters or surrounding white space
            (a server would strip it, which changes the name), or the block is larger than
            MAX_BLOCK_BYTES.
    """
    lines = [_line("Impersonate-User", subject.user)]
    if subject.uid is not None:
        lines.append(_line("Impersonate-Uid", subject.uid))
    lines += [_line("Impersonate-Group", group) for group in subject.groups]
    lines += _extra_lines(subject.extra.items())
    block = b"".join(lines)
    if len(block) > MAX_BLOCK_BYTES:
        raise UnrepresentableIdentity(f"the identity takes {len(block)} bytes of headers")
    return block


def request_id_line(request_id: str) -> bytes:
    """Return the line that writes the request id to the cluster's audit log.

    ``request_id`` must be well-formed (see :mod:`management.http.request_id`).
    """
    return b"Impersonate-Extra-Requestid: " + request_id.encode("ascii") + b"\r\n"


def _extra_lines(extra: Iterable[tuple[str, tuple[str, ...]]]) -> list[bytes]:
    """Return the lines of extras. Keys are percent-encoded: the API server decodes them."""
    lines = []
    for key, values in extra:
        if not key or key != key.lower():
            raise UnrepresentableIdentity(f"the extra key {key!r} is empty or not lower-case")
        name = "Impersonate-Extra-" + quote(key, safe="").capitalize()
        lines += [_line(name, value) for value in values]
    return lines


def _line(name: str, value: str) -> bytes:
    if not is_sendable(value):
        raise UnrepresentableIdentity(f"the value {value!r} of {name} is not a valid header value")
    return f"{name}: {value}\r\n".encode()
