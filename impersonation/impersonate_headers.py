"""Writing the ``Impersonate-*`` block that tells a cluster who is calling.

The block is bytes, ready to be sent, and depends only on the identity and the cluster, so it is
made once and kept. What differs per request (the request id) is appended by the caller of
:func:`request_id_line`.
"""

import re
from collections.abc import Iterable
from types import MappingProxyType
from urllib.parse import quote

from impersonation.identity import (
    ADMINISTRATORS_GROUP,
    AUTHENTICATED_GROUPS,
    Identity,
    Subject,
)

MAX_BLOCK_BYTES = 512 * 1024
"""Larger than any identity seen in practice (1,000 groups take about 60 KB), smaller than the
1 MiB that a Go server reads of a request's head."""

_UNSENDABLE = re.compile(r"[\x00-\x1f\x7f]")


class Inexpressible(Exception):
    """The identity can't be told to Kubernetes in full, so it isn't told at all."""


def subject_of(identity: Identity, user: str) -> Subject:
    """The subject that ``identity`` is downstream, where it is known as ``user``."""
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


def header_block(subject: Subject) -> bytes:
    """The subject as header lines, each ended by CRLF.

    Raises Inexpressible where a value is empty, has a control character or surrounding white space
    (which a server would strip, changing the name), or where the block is over MAX_BLOCK_BYTES.
    """
    lines = [_line("Impersonate-User", subject.user)]
    if subject.uid is not None:
        lines.append(_line("Impersonate-Uid", subject.uid))
    lines += [_line("Impersonate-Group", group) for group in subject.groups]
    lines += _extra_lines(subject.extra.items())
    block = b"".join(lines)
    if len(block) > MAX_BLOCK_BYTES:
        raise Inexpressible(f"the identity takes {len(block)} bytes of headers")
    return block


def request_id_line(request_id: str) -> bytes:
    """The extra that carries the request id into the cluster's audit log.

    ``request_id`` must be well-formed already (see :mod:`proxy.request_id`).
    """
    return b"Impersonate-Extra-Requestid: " + request_id.encode("ascii") + b"\r\n"


def _extra_lines(extra: Iterable[tuple[str, tuple[str, ...]]]) -> list[bytes]:
    """Extras; keys are percent-encoded, for the API server decodes them (headers know no case)."""
    lines = []
    for key, values in extra:
        if not key or key != key.lower():
            raise Inexpressible(f"the extra key {key!r} is empty or not lower-case")
        name = "Impersonate-Extra-" + quote(key, safe="").capitalize()
        lines += [_line(name, value) for value in values]
    return lines


def _line(name: str, value: str) -> bytes:
    if not value or value != value.strip() or _UNSENDABLE.search(value):
        raise Inexpressible(f"the value {value!r} of {name} can't be a header's value")
    try:
        return f"{name}: {value}\r\n".encode()
    except UnicodeEncodeError:
        raise Inexpressible(f"the value {value!r} of {name} is not valid text") from None
