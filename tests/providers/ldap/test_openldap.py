"""Tests of sign-ins to a real OpenLDAP."""

import time
import uuid
from collections.abc import Callable

import pytest

from providers.base import (
    PasswordAttempt,
    ProviderUnavailable,
    Rejected,
    Throttled,
)
from providers.conformance.password import check_password_provider
from providers.ldap.directory_provider import DirectoryProvider
from providers.ldap.provider import OPENLDAP
from providers.ldap.settings import OpenLdapSettings
from providers.throttle import Limits, ThrottledAuthenticator
from tests.providers.ldap.conftest import MakeProvider
from tests.providers.ldap.outcomes import identity
from tests.support.openldap import (
    BASE,
    OPEN,
    PASSWORD,
    OpenLdap,
    user_dn,
    user_record,
)


async def test_provider_meets_the_contract(openldap: OpenLdap) -> None:
    settings = OpenLdapSettings.model_validate(openldap.config())
    await check_password_provider(OPENLDAP, settings, valid=(openldap.create_user(), PASSWORD))


async def test_sign_in_with_the_uid_succeeds(ldap: DirectoryProvider, openldap: OpenLdap) -> None:
    name = openldap.create_user()
    for typed in (name, f" {name} ", name.upper()):
        found = identity(await ldap.authenticate(PasswordAttempt(typed, PASSWORD)))
        scheme, _, key = found.principal_id.partition("://")
        assert scheme == "openldap_user"
        assert str(uuid.UUID(key)) == key
        assert (found.username, found.display_name) == (name, f"{name} of the tests")
        assert found.email == f"{name}@example.test"


async def test_provider_without_service_account_searches_anonymously(
    make_provider: MakeProvider, openldap: OpenLdap
) -> None:
    name = f"u{uuid.uuid4().hex[:12]}"
    openldap.add([user_record(name, base=OPEN)])
    ldap = await make_provider(bind_dn=None, bind_password=None, base=OPEN)
    await ldap.check()
    assert identity(await ldap.authenticate(PasswordAttempt(name, PASSWORD))).username == name
    assert await ldap.authenticate(PasswordAttempt(name, "wrong")) == Rejected("wrong_password")
    denied = await make_provider(bind_dn=None, bind_password=None)
    with pytest.raises(ProviderUnavailable, match="insufficientAccessRights"):
        await denied.check()


@pytest.mark.parametrize(
    "name",
    ["", " ", "*", "unknown-user", "*)(uid=*", "\\2a", "a\0b", "\ud800", "x" * 5000, "uid=x"],
)
async def test_sign_in_with_unknown_name_is_rejected(ldap: DirectoryProvider, name: str) -> None:
    assert await ldap.authenticate(PasswordAttempt(name, PASSWORD)) == Rejected("unknown_user")


@pytest.mark.parametrize("password", ["", "\0", "wrong", "\ud800", "x" * 5000, "\u00ad"])
async def test_invalid_password_is_rejected(
    ldap: DirectoryProvider, openldap: OpenLdap, password: str
) -> None:
    outcome = await ldap.authenticate(PasswordAttempt(openldap.create_user(), password))
    assert isinstance(outcome, Rejected)
    assert outcome.reason in ("password_empty", "wrong_password", "password_too_long")


async def test_sign_in_with_an_ambiguous_name_is_rejected(
    ldap: DirectoryProvider, openldap: OpenLdap
) -> None:
    name = openldap.create_user()
    openldap.add([user_record(name, base=f"ou=elsewhere,{BASE}")])
    assert await ldap.authenticate(PasswordAttempt(name, PASSWORD)) == Rejected("ambiguous_name")


async def test_renamed_user_keeps_principal_id(ldap: DirectoryProvider, openldap: OpenLdap) -> None:
    name = openldap.create_user()
    group = openldap.create_group("groupOfNames", member=[user_dn(name)])
    before = identity(await ldap.authenticate(PasswordAttempt(name, PASSWORD)))
    openldap.modify(
        f"dn: {user_dn(name)}\nchangetype: modrdn\nnewrdn: uid={name}-new\ndeleteoldrdn: 1\n"
        f"newsuperior: ou=elsewhere,{BASE}\n"
    )
    after = identity(await ldap.authenticate(PasswordAttempt(f"{name}-new", PASSWORD)))
    assert after.principal_id == before.principal_id
    assert {one.name for one in after.groups} == {group}
    assert identity(await ldap.refresh(before.principal_id, None)).username == f"{name}-new"


async def test_refresh_of_deleted_locked_or_expired_user_is_rejected(
    ldap: DirectoryProvider, openldap: OpenLdap
) -> None:
    deleted, locked = openldap.create_user(), openldap.create_user()
    expired = openldap.create_user(classes="shadowAccount", shadowExpire="1")
    for name in (deleted, locked):
        principal_id = identity(
            await ldap.authenticate(PasswordAttempt(name, PASSWORD))
        ).principal_id
        assert identity(await ldap.refresh(principal_id, None)).principal_id == principal_id
        if name == deleted:
            openldap.modify(f"dn: {user_dn(name)}\nchangetype: delete\n")
            assert await ldap.refresh(principal_id, None) == Rejected("gone")
        else:
            openldap.modify(
                f"dn: {user_dn(name)}\nchangetype: modify\nadd: pwdAccountLockedTime\n"
                "pwdAccountLockedTime: 000001010000Z\n"
            )
            assert await ldap.refresh(principal_id, None) == Rejected("account_disabled")
    assert await ldap.authenticate(PasswordAttempt(expired, PASSWORD)) == Rejected(
        "account_expired"
    )
    for foreign in (
        "",
        "openldap_user://",
        "openldap_group://x",
        "openldap_user://*",
        "github_user://1",
    ):
        assert isinstance(await ldap.refresh(foreign, None), Rejected)


async def test_password_policy_gives_reason_of_rejection(
    ldap: DirectoryProvider, openldap: OpenLdap
) -> None:
    name = openldap.create_user()
    for _ in range(5):
        assert await ldap.authenticate(PasswordAttempt(name, "wrong")) == Rejected("wrong_password")
    assert await ldap.authenticate(PasswordAttempt(name, PASSWORD)) == Rejected("account_locked")
    reset = openldap.create_user()
    openldap.modify(
        f"dn: {user_dn(reset)}\nchangetype: modify\nreplace: pwdReset\npwdReset: TRUE\n"
    )
    assert await ldap.authenticate(PasswordAttempt(reset, PASSWORD)) == Rejected(
        "must_change_password"
    )


async def test_search_finds_users_and_groups_by_prefix(
    ldap: DirectoryProvider, openldap: OpenLdap
) -> None:
    mark = uuid.uuid4().hex[:8]
    people = [openldap.create_user(f"anna{mark}{number}") for number in range(3)]
    openldap.create_user(f"other{mark}")
    group = openldap.create_group("groupOfNames", member=[user_dn(people[0])])
    found = await ldap.search(f"anna{mark}", limit=10)
    assert [(one.kind, one.name) for one in found] == [("user", name) for name in people]
    assert [one.kind for one in await ldap.search(group, limit=10)] == ["group"]
    assert len(await ldap.search(f"anna{mark}", limit=2)) == 2
    for typed in ("*", "*)(uid=*", "a*", "\\", "\0", "\ud800"):
        assert await ldap.search(typed, limit=10) == []


async def test_search_over_server_size_limit_returns_all_pages(
    ldap: DirectoryProvider, openldap: OpenLdap
) -> None:
    mark = uuid.uuid4().hex[:8]
    ou = f"ou=many-{mark},{BASE}"
    openldap.add([f"dn: {ou}\nobjectClass: organizationalUnit\nou: many-{mark}\n"])
    openldap.add([user_record(f"{mark}{number}", base=ou) for number in range(1100)])
    found = await ldap._directory.run(
        lambda session: session.search(ou, "(objectClass=inetOrgPerson)", ["uid"])
    )
    assert len({one.text("uid") for one in found}) == 1100


async def test_referrals_are_not_followed(
    ldap: DirectoryProvider, openldap: OpenLdap, make_provider: MakeProvider, unused_port: int
) -> None:
    mark = uuid.uuid4().hex[:8]
    elsewhere = f"ou=referred-{mark},{BASE}"
    record = (
        f"dn: {elsewhere}\nobjectClass: referral\nobjectClass: extensibleObject\n"
        f"ou: referred-{mark}\nref: ldap://127.0.0.1:{unused_port}/{elsewhere}\n"
    )
    openldap.add([record])
    assert await ldap.authenticate(PasswordAttempt("unknown-user", "x")) == Rejected("unknown_user")
    identity(await ldap.authenticate(PasswordAttempt(openldap.create_user(), PASSWORD)))
    referred = await make_provider(user_base=elsewhere)
    with pytest.raises(ProviderUnavailable, match="not followed"):
        await referred.authenticate(PasswordAttempt("alice", PASSWORD))


async def test_missing_search_base_is_unavailable(make_provider: MakeProvider) -> None:
    ldap = await make_provider(user_base=f"ou=nowhere,{BASE}")
    with pytest.raises(ProviderUnavailable, match="correct the base"):
        await ldap.authenticate(PasswordAttempt("alice", PASSWORD))
    with pytest.raises(ProviderUnavailable):
        await ldap.check()


async def test_freeipa_provider_uses_freeipa_keys_and_states(
    openldap: OpenLdap, make_provider: MakeProvider
) -> None:
    ipa = await make_provider("freeipa")
    posix = {"uidNumber": "1", "gidNumber": "1", "homeDirectory": "/"}
    names = [
        openldap.create_user(
            classes="posixAccount ipaObject", ipaUniqueID=f"key-{mark}", **posix, **more
        )
        for mark, more in (
            ("1", {}),
            ("2", {"nsAccountLock": "TRUE"}),
            ("3", {"krbPrincipalExpiration": "20200101000000Z"}),
            ("4", {"krbPrincipalExpiration": "22000101000000Z"}),
        )
    ]
    group = openldap.create_group(
        "groupOfNames ipaObject ipaUserGroup",
        member=[user_dn(names[0])],
        ipaUniqueID=["key-group"],
    )
    found = identity(await ipa.authenticate(PasswordAttempt(names[0], PASSWORD)))
    assert found.principal_id == "freeipa_user://key-1"
    assert [(one.principal_id, one.name) for one in found.groups] == [
        ("freeipa_group://key-group", group)
    ]
    assert await ipa.authenticate(PasswordAttempt(names[1], PASSWORD)) == Rejected(
        "account_disabled"
    )
    assert await ipa.authenticate(PasswordAttempt(names[2], PASSWORD)) == Rejected(
        "account_expired"
    )
    identity(await ipa.authenticate(PasswordAttempt(names[3], PASSWORD)))
    identity(await ipa.refresh("freeipa_user://key-1", None))


async def test_failures_are_counted_by_entry(ldap: DirectoryProvider, openldap: OpenLdap) -> None:
    name = openldap.create_user()
    throttled = ThrottledAuthenticator(ldap, Limits(attempts_per_user=3), time.monotonic)
    for typed in (name, name.upper(), f"{name} "):
        refused = await throttled.authenticate(PasswordAttempt(typed, "wrong", "10.0.0.1"))
        assert refused == Rejected("wrong_password")
    # slapd removes these characters (RFC 4518), so both spellings find the same entry.
    for typed in (f"{name}\u00ad", f"\u200b{name}"):
        with pytest.raises(Throttled):
            await throttled.authenticate(PasswordAttempt(typed, PASSWORD, "10.0.0.1"))
    found = identity(await ldap.authenticate(PasswordAttempt(name, PASSWORD)))
    with pytest.raises(Throttled):
        await ldap.authenticate(PasswordAttempt(name, PASSWORD, found=_refuse(found.principal_id)))


def _refuse(expected: str) -> Callable[[str], None]:
    def refuse(principal_id: str) -> None:
        assert principal_id == expected
        raise Throttled(1)

    return refuse
