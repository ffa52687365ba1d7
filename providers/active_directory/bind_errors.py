"""Why Active Directory refuses a bind. Pure.

All refusals are LDAP's invalidCredentials (49). The reason is a Windows error number, in
hexadecimal, in the diagnostic message: ``80090308: LdapErr: DSID-0C09041C, comment:
AcceptSecurityContext error, data 52e, v4563`` (MS-ERREF §2.2 for the numbers; the message's form is
not documented, and has been this since Windows 2000).

A domain controller names states of an account (disabled, expired) only to who knew the password.
"""

import re

from providers.base import Refused

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
    """The sub-code in a diagnostic message, if there is one."""
    found = _DATA.search(message)
    return int(found[1], 16) if found else None


def refusal(message: str) -> Refused:
    """The reason that a diagnostic message gives; a general one where it gives none that we know.

    The message itself may say anything, so nothing but the number goes into the detail.
    """
    code = sub_code(message)
    if code is None:
        return Refused("refused_by_directory")
    return Refused(REASONS.get(code, "refused_by_directory"), f"AD sub-code {code:x}")
