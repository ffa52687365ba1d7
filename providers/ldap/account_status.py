"""What LDAP directories say of an account, beside the password. Pure.

Each schema has its own attributes, and an account has those of its directory: nsAccountLock and
krbPrincipalExpiration (FreeIPA), pwdAccountLockedTime (draft-behera-ldap-password-policy §5.3.3),
shadowExpire (RFC 2307).
"""

from collections.abc import Mapping
from datetime import UTC, datetime

from providers.base import Refused
from providers.ldap_answers import CONSTRAINT_VIOLATION, UNWILLING, Bound

ATTRIBUTES = ("nsAccountLock", "krbPrincipalExpiration", "pwdAccountLockedTime", "shadowExpire")

LOCKED_FOR_EVER = "000001010000Z"
"""The pwdAccountLockedTime that only an administrator can end: how OpenLDAP disables accounts."""

_POLICY_ERRORS = {0: "password_expired", 1: "account_locked", 2: "must_change_password"}


def closed_for(attributes: Mapping[str, str], now: float) -> str | None:
    """Why the account may not be used at all, or None. Raises ValueError for what can't be read.

    ``now`` is seconds since 1970. A lock by wrong passwords isn't among the reasons: it passes.
    """
    if attributes.get("nsAccountLock", "").upper() == "TRUE":
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


def refusal(bound: Bound) -> Refused | None:
    """Why a bind was refused, or None where it wasn't.

    A bind with a password that must be changed first (draft-behera §8.1.1) is one that was refused:
    it is good for nothing but changing it.
    """
    told = _POLICY_ERRORS.get(policy_error(bound.policy) if bound.policy else -1)
    if bound.accepted:
        return Refused("must_change_password") if told == "must_change_password" else None
    if told is not None:
        return Refused(told)
    if bound.code == CONSTRAINT_VIOLATION:
        return Refused("account_locked")  # 389 Directory Server: too many wrong passwords
    if bound.code == UNWILLING:
        return Refused("account_disabled")  # 389 Directory Server: nsAccountLock
    return Refused("wrong_password")


def policy_error(value: bytes) -> int:
    """The error in a password policy control's value (draft-behera §6.2), or -1.

    ``SEQUENCE { warning [0] CHOICE {…} OPTIONAL, error [1] ENUMERATED OPTIONAL }``, all of it short
    enough for lengths of one byte. Never raises.
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
    """A GeneralizedTime in UTC, whole seconds: all that FreeIPA writes."""
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp()
