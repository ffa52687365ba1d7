"""Reading a credential out of an ``Authorization`` header's value. Pure."""

import base64
import binascii

MAX_CREDENTIAL_BYTES = 8192


class BadCredential(Exception):
    """The header can't be read as a credential. The message doesn't repeat it."""


def bearer_from(value: bytes) -> bytes:
    """The bearer in ``Bearer <name>:<secret>`` or ``Basic base64(<name>:<secret>)``.

    RFC 6750 §2.1 and RFC 7617: a token's name and secret, written as a user's name and password,
    are the same credential. Raises BadCredential for anything else.
    """
    scheme, _, credential = value.strip(b" \t").partition(b" ")
    credential = credential.strip(b" ")
    kind = scheme.lower()
    if len(credential) > MAX_CREDENTIAL_BYTES:
        raise BadCredential("the credential is too long")
    if kind == b"bearer" and credential and b" " not in credential:
        return credential
    if kind == b"basic" and credential:
        try:
            return base64.b64decode(credential, validate=True)
        except binascii.Error:
            raise BadCredential("the Basic credential is not base64") from None
    raise BadCredential("the Authorization header must be Bearer or Basic, with a credential")
