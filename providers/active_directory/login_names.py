r"""The forms of login names in Active Directory. Pure.

``alice``, ``CORP\alice`` (down-level logon name) and ``alice@corp.example.test`` (user principal
name, MS-ADTS 5.1.1.1.1). The suffix of a UPN need not be the domain's name, so every UPN is
searched for unchanged. A UPN with the domain's name also counts as an account name, as for domain
controllers.
"""

from dataclasses import dataclass

from providers.ldap.credentials import is_name


@dataclass(frozen=True, slots=True)
class TypedName:
    """What to search for: a sAMAccountName, a userPrincipalName, or both; at least one."""

    account: str = ""
    principal: str = ""


def parse_name(text: str, *, domain: str, short_domain: str) -> TypedName | None:
    """Parse a login name. None if no user of this domain can have it."""
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
