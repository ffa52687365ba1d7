"""Parse the credential in an ``Authorization`` header. Pure."""

import base64
import binascii

MAX_CREDENTIAL_BYTES = 8192


class InvalidAuthorization(Exception):
    """The header has no usable credential. The message does not repeat it."""


def bearer_from(value: bytes) -> bytes:
    """Return the bearer of ``Bearer <name>:<secret>`` or ``Basic base64(<name>:<secret>)``.

    RFC 6750 §2.1 and RFC 7617: a token's name and secret may also be sent as username and password.

    Raises:
        InvalidAuthorization: the header is anything else.
    """
    scheme, _, credential = value.strip(b" \t").partition(b" ")
    credential = credential.strip(b" ")
    kind = scheme.lower()
    if len(credential) > MAX_CREDENTIAL_BYTES:
        raise InvalidAuthorization("the credential in the Authorization header is too long")
    if kind == b"bearer" and credential and b" " not in credential:
        return credential
    if kind == b"basic" and credential:
        try:
            return base64.b64decode(credential, validate=True)
        except binascii.Error:
            raise InvalidAuthorization("the Basic credential is not base64") from None
    raise InvalidAuthorization(
        "the Authorization header must be Bearer or Basic, with a credential"
    )
