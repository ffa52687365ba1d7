"""Tests of login names, renames and principal ids."""

import pytest

from providers.base import ExternalIdentity, Outcome, PasswordAttempt, Rejected
from providers.ldap.directory_provider import DirectoryProvider
from tests.support.samba import BASE, DISABLED, NORMAL, PASSWORD, PEOPLE, Samba, dn_of, user_record


def identity(outcome: Outcome) -> ExternalIdentity:
    assert isinstance(outcome, ExternalIdentity), outcome
    return outcome


async def test_renamed_and_moved_user_keeps_principal_id(
    corp: DirectoryProvider, samba: Samba
) -> None:
    name = samba.create_user()
    group = samba.create_group(dn_of(name))
    before = identity(await corp.authenticate(PasswordAttempt(name, PASSWORD)))
    later = f"{name}-new"
    samba.modify(
        f"dn: {dn_of(name)}\nchangetype: moddn\nnewrdn: CN={later}\ndeleteoldrdn: 1\n"
        f"newsuperior: CN=Computers,{BASE}\n"
    )
    moved = dn_of(later, f"CN=Computers,{BASE}")
    samba.modify(
        f"dn: {moved}\nchangetype: modify\nreplace: sAMAccountName\nsAMAccountName: {later}\n"
    )
    after = identity(await corp.authenticate(PasswordAttempt(later, PASSWORD)))
    assert after.principal_id == before.principal_id
    assert after.username == later
    assert group in {one.name for one in after.groups}
    assert isinstance(await corp.authenticate(PasswordAttempt(name, PASSWORD)), Rejected)
    assert identity(await corp.refresh(before.principal_id, None)).username == later


async def test_new_account_with_old_name_has_new_principal_id(
    corp: DirectoryProvider, samba: Samba
) -> None:
    name = samba.create_user()
    before = identity(await corp.authenticate(PasswordAttempt(name, PASSWORD)))
    samba.modify(f"dn: {dn_of(name)}\nchangetype: delete\n")
    assert await corp.refresh(before.principal_id, None) == Rejected("gone")
    samba.add([user_record(name)])
    after = identity(await corp.authenticate(PasswordAttempt(name, PASSWORD)))
    assert after.principal_id != before.principal_id
    assert await corp.refresh(before.principal_id, None) == Rejected("gone")


async def test_renamed_group_keeps_principal_id(corp: DirectoryProvider, samba: Samba) -> None:
    name = samba.create_user()
    group = samba.create_group(dn_of(name))

    async def ids() -> dict[str, str]:
        groups = identity(await corp.authenticate(PasswordAttempt(name, PASSWORD))).groups
        return {one.name: one.principal_id for one in groups}

    before = (await ids())[group]
    samba.modify(
        f"dn: {dn_of(group)}\nchangetype: modify\nreplace: sAMAccountName\n"
        f"sAMAccountName: {group}-new\n"
    )
    assert (await ids())[f"{group}-new"] == before


async def test_refresh_returns_current_groups(corp: DirectoryProvider, samba: Samba) -> None:
    name = samba.create_user()
    principal_id = identity(await corp.authenticate(PasswordAttempt(name, PASSWORD))).principal_id
    group = samba.create_group(dn_of(name))
    assert group in {one.name for one in identity(await corp.refresh(principal_id, None)).groups}
    samba.modify(f"dn: {dn_of(group)}\nchangetype: modify\ndelete: member\n")
    assert group not in {
        one.name for one in identity(await corp.refresh(principal_id, None)).groups
    }


async def test_refresh_of_disabled_user_is_rejected_until_enabled(
    corp: DirectoryProvider, samba: Samba
) -> None:
    name = samba.create_user()
    principal_id = identity(await corp.authenticate(PasswordAttempt(name, PASSWORD))).principal_id

    def control(value: int) -> None:
        samba.modify(
            f"dn: {dn_of(name)}\nchangetype: modify\nreplace: userAccountControl\n"
            f"userAccountControl: {value}\n"
        )

    control(DISABLED)
    assert await corp.refresh(principal_id, None) == Rejected("account_disabled")
    control(NORMAL)
    assert identity(await corp.refresh(principal_id, None)).principal_id == principal_id


async def test_refresh_of_expired_user_is_rejected(corp: DirectoryProvider, samba: Samba) -> None:
    name = samba.create_user()
    principal_id = identity(await corp.authenticate(PasswordAttempt(name, PASSWORD))).principal_id
    samba.modify(
        f"dn: {dn_of(name)}\nchangetype: modify\nreplace: accountExpires\n"
        "accountExpires: 132000000000000000\n"
    )
    assert await corp.refresh(principal_id, None) == Rejected("account_expired")


@pytest.mark.parametrize(
    "principal",
    [
        "",
        "alice",
        "activedirectory_user://",
        "activedirectory_user://*",
        f"activedirectory_user://{PEOPLE}",
        "activedirectory_group://92ec8116-895a-49f0-8ad7-1cc81e7ef846",
        "github_user://92ec8116-895a-49f0-8ad7-1cc81e7ef846",
        "activedirectory_user://{92EC8116-895A-49F0-8AD7-1CC81E7EF846}",
    ],
)
async def test_refresh_of_foreign_principal_is_rejected(
    corp: DirectoryProvider, principal: str
) -> None:
    assert await corp.refresh(principal, None) == Rejected("not_of_this_directory")
