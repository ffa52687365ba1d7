"""Signing in to a real OpenLDAP."""

import time
import uuid

import pytest

from providers.base import Attempt, ExternalIdentity, Outcome, ProviderUnavailable, Refused
from providers.contract import check_password_provider
from providers.ldap import OPENLDAP, LdapProvider
from providers.ldap_profile import OpenLdapSettings
from tests.parts.openldap import (
    BASE,
    OPEN,
    PASSWORD,
    OpenLdap,
    group_dn,
    group_record,
    user_dn,
    user_record,
)
from tests.providers.ldap.conftest import Providing


def identity(outcome: Outcome) -> ExternalIdentity:
    assert isinstance(outcome, ExternalIdentity), outcome
    return outcome


async def groups_of(ldap: LdapProvider, name: str) -> set[str]:
    found = identity(await ldap.authenticate(Attempt(name, PASSWORD))).groups
    assert all(one.principal_id.startswith("openldap_group://") for one in found)
    return {one.name for one in found}


async def test_the_provider_keeps_the_contract(openldap: OpenLdap) -> None:
    settings = OpenLdapSettings.model_validate(openldap.config())
    await check_password_provider(OPENLDAP, settings, valid=(openldap.user(), PASSWORD))


async def test_a_person_signs_in_with_their_uid(ldap: LdapProvider, openldap: OpenLdap) -> None:
    name = openldap.user()
    for typed in (name, f" {name} ", name.upper()):
        found = identity(await ldap.authenticate(Attempt(typed, PASSWORD)))
        scheme, _, key = found.principal_id.partition("://")
        assert scheme == "openldap_user"
        assert str(uuid.UUID(key)) == key
        assert (found.username, found.display_name) == (name, f"{name} of the tests")
        assert found.email == f"{name}@example.test"


async def test_without_a_service_account_searches_are_anonymous(
    providing: Providing, openldap: OpenLdap
) -> None:
    name = f"u{uuid.uuid4().hex[:12]}"
    openldap.add([user_record(name, base=OPEN)])
    ldap = await providing(bind_dn=None, bind_password=None, base=OPEN)
    await ldap.check()
    assert identity(await ldap.authenticate(Attempt(name, PASSWORD))).username == name
    assert await ldap.authenticate(Attempt(name, "wrong")) == Refused("wrong_password")
    closed = await providing(bind_dn=None, bind_password=None)
    with pytest.raises(ProviderUnavailable, match="insufficientAccessRights"):
        await closed.check()


@pytest.mark.parametrize(
    "name",
    ["", " ", "*", "nobody-there", "*)(uid=*", "\\2a", "a\0b", "\ud800", "x" * 5000, "uid=x"],
)
async def test_a_name_that_is_nobodys(ldap: LdapProvider, name: str) -> None:
    assert await ldap.authenticate(Attempt(name, PASSWORD)) == Refused("unknown_user")


@pytest.mark.parametrize("password", ["", "\0", "wrong", "\ud800", "x" * 5000, "\u00ad"])
async def test_what_is_not_the_password_is_never_a_successful_bind(
    ldap: LdapProvider, openldap: OpenLdap, password: str
) -> None:
    outcome = await ldap.authenticate(Attempt(openldap.user(), password))
    assert isinstance(outcome, Refused)
    assert outcome.reason in ("password_empty", "wrong_password", "password_too_long")


async def test_two_people_of_one_name_are_nobody(ldap: LdapProvider, openldap: OpenLdap) -> None:
    name = openldap.user()
    openldap.add([user_record(name, base=f"ou=elsewhere,{BASE}")])
    assert await ldap.authenticate(Attempt(name, PASSWORD)) == Refused("ambiguous_name")


async def test_groups_of_every_kind_count(ldap: LdapProvider, openldap: OpenLdap) -> None:
    name = openldap.user(
        classes="posixAccount", uidNumber="1001", gidNumber="5001", homeDirectory="/"
    )
    names = openldap.group("groupOfNames", member=[user_dn(name)])
    unique = openldap.group("groupOfUniqueNames", uniqueMember=[user_dn(name)])
    posix = openldap.group("posixGroup", memberUid=[name], gidNumber=["5002"])
    primary = openldap.group("posixGroup", gidNumber=["5001"])
    openldap.group("posixGroup", memberUid=[f"{name}2"], gidNumber=["5003"])
    assert await groups_of(ldap, name) == {names, unique, posix, primary}


async def test_groups_in_groups_count_and_circles_have_an_end(
    ldap: LdapProvider, openldap: OpenLdap, providing: Providing
) -> None:
    name = openldap.user()
    first = openldap.group("groupOfNames", member=[user_dn(name)])
    second = openldap.group("groupOfUniqueNames", uniqueMember=[group_dn(first)])
    third = openldap.group("groupOfNames", member=[group_dn(second)])
    openldap.change(
        f"dn: {group_dn(first)}\nchangetype: modify\nadd: member\n"
        f"member: {group_dn(third)}\nmember: {group_dn(first)}\n"
    )
    assert await groups_of(ldap, name) == {first, second, third}
    assert await groups_of(await providing(nested_groups="none"), name) == {first}


@pytest.mark.parametrize("member_of", [None, "memberOf"])
async def test_somebody_in_1000_groups_five_levels_deep_signs_in_quickly(
    openldap: OpenLdap, providing: Providing, thousand: str, member_of: str | None
) -> None:
    ldap = await providing(member_of_attribute=member_of)
    own, began = time.process_time(), time.monotonic()
    assert len(await groups_of(ldap, thousand)) == 1000
    took, ours = time.monotonic() - began, time.process_time() - own
    print(f"{member_of or 'member'}: {took:.2f} s; CPU {ours:.2f} s here")
    # What it costs here, not how long it took: other tests may be keeping the processors busy.
    assert ours < 2.0


@pytest.fixture(scope="module")
def thousand(openldap: OpenLdap) -> str:
    """Somebody in 1,000 groups: 200 chains of five."""
    name, mark = openldap.user(), uuid.uuid4().hex[:8]
    records = []
    for chain in range(200):
        member = user_dn(name)
        for level in range(5):
            group = f"m{mark}-{chain:03d}-{level}"
            records.append(group_record(group, "groupOfNames", member=[member]))
            member = group_dn(group)
    openldap.add(records)
    return name


async def test_memberof_is_read_where_the_server_keeps_it(
    openldap: OpenLdap, providing: Providing
) -> None:
    ldap = await providing(member_of_attribute="memberOf")
    name = openldap.user()
    first = openldap.group("groupOfNames", member=[user_dn(name)])
    second = openldap.group("groupOfNames", member=[group_dn(first)])
    openldap.change(
        f"dn: {group_dn(first)}\nchangetype: modify\nadd: member\nmember: {group_dn(second)}\n"
    )
    assert await groups_of(ldap, name) == {first, second}
    direct = await providing(member_of_attribute="memberOf", nested_groups="none")
    assert await groups_of(direct, name) == {first}


async def test_somebody_who_is_renamed_stays_the_same(
    ldap: LdapProvider, openldap: OpenLdap
) -> None:
    name = openldap.user()
    group = openldap.group("groupOfNames", member=[user_dn(name)])
    before = identity(await ldap.authenticate(Attempt(name, PASSWORD)))
    openldap.change(
        f"dn: {user_dn(name)}\nchangetype: modrdn\nnewrdn: uid={name}-new\ndeleteoldrdn: 1\n"
        f"newsuperior: ou=elsewhere,{BASE}\n"
    )
    after = identity(await ldap.authenticate(Attempt(f"{name}-new", PASSWORD)))
    assert after.principal_id == before.principal_id
    assert {one.name for one in after.groups} == {group}
    assert identity(await ldap.refresh(before.principal_id, None)).username == f"{name}-new"


async def test_a_refresh_refuses_who_is_gone_locked_for_ever_or_expired(
    ldap: LdapProvider, openldap: OpenLdap
) -> None:
    gone, locked = openldap.user(), openldap.user()
    expired = openldap.user(classes="shadowAccount", shadowExpire="1")
    for name in (gone, locked):
        who = identity(await ldap.authenticate(Attempt(name, PASSWORD))).principal_id
        assert identity(await ldap.refresh(who, None)).principal_id == who
        if name == gone:
            openldap.change(f"dn: {user_dn(name)}\nchangetype: delete\n")
            assert await ldap.refresh(who, None) == Refused("gone")
        else:
            openldap.change(
                f"dn: {user_dn(name)}\nchangetype: modify\nadd: pwdAccountLockedTime\n"
                "pwdAccountLockedTime: 000001010000Z\n"
            )
            assert await ldap.refresh(who, None) == Refused("account_disabled")
    assert await ldap.authenticate(Attempt(expired, PASSWORD)) == Refused("account_expired")
    for odd in (
        "",
        "openldap_user://",
        "openldap_group://x",
        "openldap_user://*",
        "github_user://1",
    ):
        assert isinstance(await ldap.refresh(odd, None), Refused)


async def test_the_password_policy_says_why(ldap: LdapProvider, openldap: OpenLdap) -> None:
    name = openldap.user()
    for _ in range(5):
        assert await ldap.authenticate(Attempt(name, "wrong")) == Refused("wrong_password")
    assert await ldap.authenticate(Attempt(name, PASSWORD)) == Refused("account_locked")
    reset = openldap.user()
    openldap.change(
        f"dn: {user_dn(reset)}\nchangetype: modify\nreplace: pwdReset\npwdReset: TRUE\n"
    )
    assert await ldap.authenticate(Attempt(reset, PASSWORD)) == Refused("must_change_password")


async def test_people_and_groups_are_found_by_how_their_names_begin(
    ldap: LdapProvider, openldap: OpenLdap
) -> None:
    mark = uuid.uuid4().hex[:8]
    people = [openldap.user(f"anna{mark}{number}") for number in range(3)]
    openldap.user(f"other{mark}")
    group = openldap.group("groupOfNames", member=[user_dn(people[0])])
    found = await ldap.search(f"anna{mark}", limit=10)
    assert [(one.kind, one.name) for one in found] == [("user", name) for name in people]
    assert [one.kind for one in await ldap.search(group, limit=10)] == ["group"]
    assert len(await ldap.search(f"anna{mark}", limit=2)) == 2
    for typed in ("*", "*)(uid=*", "a*", "\\", "\0", "\ud800"):
        assert await ldap.search(typed, limit=10) == []


async def test_more_results_than_the_server_gives_at_once_come_in_pages(
    ldap: LdapProvider, openldap: OpenLdap
) -> None:
    mark = uuid.uuid4().hex[:8]
    ou = f"ou=many-{mark},{BASE}"
    openldap.add([f"dn: {ou}\nobjectClass: organizationalUnit\nou: many-{mark}\n"])
    openldap.add([user_record(f"{mark}{number}", base=ou) for number in range(1100)])
    found = await ldap._directory.run(
        lambda session: session.search(ou, "(objectClass=inetOrgPerson)", ["uid"])
    )
    assert len({one.text("uid") for one in found}) == 1100


async def test_references_to_other_servers_are_not_followed(
    ldap: LdapProvider, openldap: OpenLdap, providing: Providing, unused_port: int
) -> None:
    mark = uuid.uuid4().hex[:8]
    elsewhere = f"ou=referred-{mark},{BASE}"
    record = (
        f"dn: {elsewhere}\nobjectClass: referral\nobjectClass: extensibleObject\n"
        f"ou: referred-{mark}\nref: ldap://127.0.0.1:{unused_port}/{elsewhere}\n"
    )
    openldap.add([record])
    assert await ldap.authenticate(Attempt("nobody-there", "x")) == Refused("unknown_user")
    identity(await ldap.authenticate(Attempt(openldap.user(), PASSWORD)))
    there = await providing(user_base=elsewhere)
    with pytest.raises(ProviderUnavailable, match="not followed"):
        await there.authenticate(Attempt("anybody", PASSWORD))


async def test_a_search_base_that_is_not_there_is_a_broken_backend(providing: Providing) -> None:
    ldap = await providing(user_base=f"ou=nowhere,{BASE}")
    with pytest.raises(ProviderUnavailable, match="mend the search base"):
        await ldap.authenticate(Attempt("anybody", PASSWORD))
    with pytest.raises(ProviderUnavailable):
        await ldap.check()


async def test_the_freeipa_profile_has_its_own_keys_and_states(
    openldap: OpenLdap, providing: Providing
) -> None:
    ipa = await providing("freeipa")
    posix = {"uidNumber": "1", "gidNumber": "1", "homeDirectory": "/"}
    names = [
        openldap.user(classes="posixAccount ipaObject", ipaUniqueID=f"key-{mark}", **posix, **more)
        for mark, more in (
            ("1", {}),
            ("2", {"nsAccountLock": "TRUE"}),
            ("3", {"krbPrincipalExpiration": "20200101000000Z"}),
            ("4", {"krbPrincipalExpiration": "22000101000000Z"}),
        )
    ]
    group = openldap.group(
        "groupOfNames ipaObject ipaUserGroup",
        member=[user_dn(names[0])],
        ipaUniqueID=["key-group"],
    )
    found = identity(await ipa.authenticate(Attempt(names[0], PASSWORD)))
    assert found.principal_id == "freeipa_user://key-1"
    assert [(one.principal_id, one.name) for one in found.groups] == [
        ("freeipa_group://key-group", group)
    ]
    assert await ipa.authenticate(Attempt(names[1], PASSWORD)) == Refused("account_disabled")
    assert await ipa.authenticate(Attempt(names[2], PASSWORD)) == Refused("account_expired")
    identity(await ipa.authenticate(Attempt(names[3], PASSWORD)))
    identity(await ipa.refresh("freeipa_user://key-1", None))
