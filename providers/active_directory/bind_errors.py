"""The reasons for which Active Directory rejects a bind. Pure.

All rejections have LDAP's result invalidCredentials (49). The reason is a Windows error number, in
hexadecimal, in the diagnostic message: ``80090308: LdapErr: DSID-0C09041C, comment:
AcceptSecurityContext error, data 52e, v4563`` (MS-ERREF §2.2 has the numbers; the message's form is
not documented, and has not changed since Windows 2000).

A domain controller reveals the status of an account (disabled, expired) only after the correct
password.
"""

import re

from providers.base import Rejected

REASONS = {
    0x525: "unknown_user",
    0x52E: "wrong_password",
    0x530: "logon_hours",
    0x531: "logon_workstation",
    0x532: "password_expired",
    0x533: "account_disabled",
    0x701: "account_expired",
    0x773: "must_change_password",
    0x775: "account_locked",
}
"""Reasons in the audit log, by sub-code."""

_DATA = re.compile(r"\bdata\s+([0-9a-f]{1,8})\b", re.IGNORECASE | re.ASCII)


def sub_code(message: str) -> int | None:
    """Return the sub-code in a diagnostic message, or None."""
    found = _DATA.search(message)
    return int(found[1], 16) if found else None


def rejection(message: str) -> Rejected:
    """Return the reason in a diagnostic message, or a general one.

    The message may contain anything, so only the number goes into the detail.
    """
    code = sub_code(message)
    if code is None:
        return Rejected("refused_by_directory")
    return Rejected(REASONS.get(code, "refused_by_directory"), f"AD sub-code {code:x}")
