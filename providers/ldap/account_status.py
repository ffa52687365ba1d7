"""The status of accounts in LDAP directories, beside the password. Pure.

Each server has its own attributes, and an account has those of its server: nsAccountLock and
krbPrincipalExpiration (FreeIPA), pwdAccountLockedTime (draft-behera-ldap-password-policy §5.3.3),
shadowExpire (RFC 2307).
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from providers.base import Rejected
from providers.ldap.results import CONSTRAINT_VIOLATION, UNWILLING, BindResult

ATTRIBUTES = ("nsAccountLock", "krbPrincipalExpiration", "pwdAccountLockedTime", "shadowExpire")

LOCKED_FOR_EVER = "000001010000Z"
"""The pwdAccountLockedTime of a disabled account in OpenLDAP: only an administrator can end it."""

_POLICY_ERRORS = {0: "password_expired", 1: "account_locked", 2: "must_change_password"}


def disabled_reason(attributes: Mapping[str, str], now: float) -> str | None:
    """Return why the account must not be used, or None. A lock after wrong passwords is temporary.

    ``now`` is in seconds since 1970.

    Raises:
        ValueError: an attribute is not valid.
    """
    locked = attributes.get("nsAccountLock", "").upper()
    if locked not in {"", "TRUE", "FALSE"}:
        raise ValueError("nsAccountLock is neither TRUE nor FALSE")
    if locked == "TRUE":
        return "account_disabled"
    if attributes.get("pwdAccountLockedTime") == LOCKED_FOR_EVER:
        return "account_disabled"
    principal = attributes.get("krbPrincipalExpiration")
    if principal and _generalized(principal) <= now:
        return "account_expired"
    days = int(attributes.get("shadowExpire") or -1)
    if days >= 0 and days * 86400 <= now:
        return "account_expired"
    return None


def bind_rejection(bound: BindResult) -> Rejected | None:
    """Return why a bind was rejected, or None if it was accepted.

    A bind with a password that must be changed first (draft-behera §8.1.1) counts as rejected: it
    only permits changing the password.
    """
    error = _POLICY_ERRORS.get(policy_error(bound.policy) if bound.policy else -1)
    if bound.accepted:
        return Rejected("must_change_password") if error == "must_change_password" else None
    if error is not None:
        return Rejected(error)
    if bound.code == CONSTRAINT_VIOLATION:
        return Rejected("account_locked")  # 389 Directory Server: too many wrong passwords
    if bound.code == UNWILLING:
        return Rejected("account_disabled")  # 389 Directory Server: nsAccountLock
    return Rejected("wrong_password")


def policy_error(value: bytes) -> int:
    """Return the error in a password policy control's value (draft-behera §6.2), or -1.

    ``SEQUENCE { warning [0] CHOICE {…} OPTIONAL, error [1] ENUMERATED OPTIONAL }``, in which all
    lengths fit into one byte. Never raises.
    """
    position, end = 2, len(value)
    if end < 2 or value[0] != 0x30 or value[1] != end - 2:
        return -1
    while position + 2 <= end:
        tag, length = value[position], value[position + 1]
        if tag == 0x81 and length == 1 and position + 3 <= end:
            return value[position + 2]
        position += 2 + length
    return -1


def _generalized(text: str) -> float:
    """Parse a GeneralizedTime in UTC with whole seconds, the form that FreeIPA writes."""
    if len(text) != 15 or not text.isascii():
        raise ValueError("not a time in UTC")
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
