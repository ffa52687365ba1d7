"""Write a request's header block and verify it, in one step: no block leaves unverified. Pure."""

from collections.abc import Sequence

from impersonation.impersonate_headers import request_id_line
from impersonation.request_headers import body_framing, request_lines, upgrade_framing
from impersonation.verification import verify_request_headers


def verified_request_lines(
    forwarded: Sequence[tuple[bytes, bytes]],
    *,
    upgrade: bytes | None,
    length: bytes | None,
    chunked: bool,
    credential: bytes,
    forwarded_for: bytes,
    identity: bytes,
    request_id: str,
) -> bytes:
    """Return every header line but Host, verified, as the cluster receives them.

    ``forwarded`` are the client's lines, ``upgrade`` is the protocol to switch to. ``length`` and
    ``chunked`` frame the body. The other parameters are as in
    :func:`impersonation.request_headers.request_lines`, except that ``request_id`` is a request id.

    Raises:
        IdentityMismatch: the block does not carry exactly this identity and credential.

    """
    framing = upgrade_framing(upgrade) if upgrade else body_framing(length, chunked=chunked)
    last = request_id_line(request_id)
    lines = request_lines(
        forwarded,
        credential=credential,
        framing=framing,
        forwarded_for=forwarded_for,
        identity=identity,
        request_id=last,
    )
    verify_request_headers(lines, credential=credential, identity=identity, request_id=last)
    return lines
