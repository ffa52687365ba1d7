"""The identity and the groups of a successful sign-in."""

from providers.base import (
    ExternalIdentity,
    Outcome,
    PasswordAttempt,
)
from providers.ldap.directory_provider import DirectoryProvider
from tests.support.openldap import (
    PASSWORD,
)


def identity(outcome: Outcome) -> ExternalIdentity:
    assert isinstance(outcome, ExternalIdentity), outcome
    return outcome


async def groups_of(ldap: DirectoryProvider, name: str) -> set[str]:
    found = identity(await ldap.authenticate(PasswordAttempt(name, PASSWORD))).groups
    assert all(one.principal_id.startswith("openldap_group://") for one in found)
    return {one.name for one in found}
