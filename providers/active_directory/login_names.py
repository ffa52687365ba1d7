r"""The forms in which people type their names for Active Directory. Pure.

``alice``, ``CORP\alice`` (down-level logon name) and ``alice@corp.example.test`` (user principal
name, MS-ADTS 5.1.1.1.1). A UPN's suffix need not be the domain's name, so every UPN is looked for
as it is, and those with the domain's name as an account's name, too, as domain controllers do.
"""

from dataclasses import dataclass

from providers.ldap_credentials import is_name


@dataclass(frozen=True, slots=True)
class TypedName:
    """What to look for: a sAMAccountName, a userPrincipalName, or either. Never neither."""

    account: str = ""
    principal: str = ""


def parse_name(text: str, *, domain: str, short_domain: str) -> TypedName | None:
    """What ``text`` asks for; None where it can't be anybody's name in this domain."""
    name = text.strip()
    if not is_name(name):
        return None
    prefix, backslash, account = name.partition("\\")
    if backslash:
        if not account or not _is_domain(prefix, domain, short_domain):
            return None
        return TypedName(account=account)
    account, at, suffix = name.rpartition("@")
    if not at:
        return TypedName(account=name)
    if not account or not suffix:
        return None
    ours = _is_domain(suffix, domain, short_domain)
    return TypedName(account=account if ours else "", principal=name)


def _is_domain(text: str, domain: str, short_domain: str) -> bool:
    return text.casefold() in (domain.casefold(), short_domain.casefold())
