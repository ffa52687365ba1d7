"""People stay who they are, whatever happens to their names."""

import pytest

from providers.active_directory import ActiveDirectoryProvider
from providers.base import Attempt, ExternalIdentity, Outcome, Refused
from tests.parts.samba import BASE, DISABLED, NORMAL, PASSWORD, PEOPLE, Samba, dn_of, user_record


def identity(outcome: Outcome) -> ExternalIdentity:
    assert isinstance(outcome, ExternalIdentity), outcome
    return outcome


async def test_somebody_who_is_renamed_and_moved_stays_the_same(
    corp: ActiveDirectoryProvider, samba: Samba
) -> None:
    name = samba.user()
    group = samba.group(dn_of(name))
    before = identity(await corp.authenticate(Attempt(name, PASSWORD)))
    later = f"{name}-new"
    samba.change(
        f"dn: {dn_of(name)}\nchangetype: moddn\nnewrdn: CN={later}\ndeleteoldrdn: 1\n"
        f"newsuperior: CN=Computers,{BASE}\n"
    )
    moved = dn_of(later, f"CN=Computers,{BASE}")
    samba.change(
        f"dn: {moved}\nchangetype: modify\nreplace: sAMAccountName\nsAMAccountName: {later}\n"
    )
    after = identity(await corp.authenticate(Attempt(later, PASSWORD)))
    assert after.principal_id == before.principal_id
    assert after.username == later
    assert group in {one.name for one in after.groups}
    assert isinstance(await corp.authenticate(Attempt(name, PASSWORD)), Refused)
    assert identity(await corp.refresh(before.principal_id, None)).username == later


async def test_a_new_account_of_an_old_name_is_somebody_else(
    corp: ActiveDirectoryProvider, samba: Samba
) -> None:
    name = samba.user()
    before = identity(await corp.authenticate(Attempt(name, PASSWORD)))
    samba.change(f"dn: {dn_of(name)}\nchangetype: delete\n")
    assert await corp.refresh(before.principal_id, None) == Refused("gone")
    samba.add([user_record(name)])
    after = identity(await corp.authenticate(Attempt(name, PASSWORD)))
    assert after.principal_id != before.principal_id
    assert await corp.refresh(before.principal_id, None) == Refused("gone")


async def test_a_group_that_is_renamed_stays_the_same(
    corp: ActiveDirectoryProvider, samba: Samba
) -> None:
    name = samba.user()
    group = samba.group(dn_of(name))

    async def ids() -> dict[str, str]:
        groups = identity(await corp.authenticate(Attempt(name, PASSWORD))).groups
        return {one.name: one.principal_id for one in groups}

    before = (await ids())[group]
    samba.change(
        f"dn: {dn_of(group)}\nchangetype: modify\nreplace: sAMAccountName\n"
        f"sAMAccountName: {group}-new\n"
    )
    assert (await ids())[f"{group}-new"] == before


async def test_a_refresh_tells_new_groups_and_the_end_of_old_ones(
    corp: ActiveDirectoryProvider, samba: Samba
) -> None:
    name = samba.user()
    who = identity(await corp.authenticate(Attempt(name, PASSWORD))).principal_id
    group = samba.group(dn_of(name))
    assert group in {one.name for one in identity(await corp.refresh(who, None)).groups}
    samba.change(f"dn: {dn_of(group)}\nchangetype: modify\ndelete: member\n")
    assert group not in {one.name for one in identity(await corp.refresh(who, None)).groups}


async def test_a_refresh_refuses_who_is_disabled_until_they_are_enabled(
    corp: ActiveDirectoryProvider, samba: Samba
) -> None:
    name = samba.user()
    who = identity(await corp.authenticate(Attempt(name, PASSWORD))).principal_id

    def control(value: int) -> None:
        samba.change(
            f"dn: {dn_of(name)}\nchangetype: modify\nreplace: userAccountControl\n"
            f"userAccountControl: {value}\n"
        )

    control(DISABLED)
    assert await corp.refresh(who, None) == Refused("account_disabled")
    control(NORMAL)
    assert identity(await corp.refresh(who, None)).principal_id == who


async def test_a_refresh_refuses_who_has_expired(
    corp: ActiveDirectoryProvider, samba: Samba
) -> None:
    name = samba.user()
    who = identity(await corp.authenticate(Attempt(name, PASSWORD))).principal_id
    samba.change(
        f"dn: {dn_of(name)}\nchangetype: modify\nreplace: accountExpires\n"
        "accountExpires: 132000000000000000\n"
    )
    assert await corp.refresh(who, None) == Refused("account_expired")


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
async def test_a_refresh_of_what_is_no_principal_of_its_own_is_refused(
    corp: ActiveDirectoryProvider, principal: str
) -> None:
    assert await corp.refresh(principal, None) == Refused("not_of_this_directory")
