"""Tests of the reasons for which a real Active Directory rejects sign-ins."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from providers.base import ExternalIdentity, PasswordAttempt, Rejected
from providers.ldap.directory_provider import DirectoryProvider
from tests.providers.active_directory.conftest import MakeProvider
from tests.support.samba import BASE, DISABLED, PASSWORD, Samba, dn_of

SET_ANY_TIME = "--controls=local_oid:1.3.6.1.4.1.7165.4.3.20:0"
"""Samba's control that permits any value of pwdLastSet (PASSWORD_BYPASS_LAST_SET)."""

LONG_AGO = 132_000_000_000_000_000  # 2019, in FILETIME


async def rejection_reason(corp: DirectoryProvider, name: str, password: str = PASSWORD) -> str:
    outcome = await corp.authenticate(PasswordAttempt(name, password))
    assert isinstance(outcome, Rejected), outcome
    return outcome.reason


@contextmanager
def domain_setting(samba: Samba, name: str, value: str, *, restored: str) -> Iterator[None]:
    """Set a policy of the whole domain within the context."""
    record = f"dn: {BASE}\nchangetype: modify\nreplace: {name}\n{name}: "
    samba.modify(f"{record}{value}\n")
    try:
        yield
    finally:
        samba.modify(f"{record}{restored}\n")


async def test_wrong_password_is_rejected(corp: DirectoryProvider, samba: Samba) -> None:
    assert await rejection_reason(corp, samba.create_user(), "wrong") == "wrong_password"


@pytest.mark.parametrize(
    "name",
    ["unknown-user", "", " ", "OTHER\\alice", "a@", "@b", "\\", "x" * 2000, "a\0b", "\ud800"],
)
async def test_sign_in_with_unknown_name_is_rejected(corp: DirectoryProvider, name: str) -> None:
    assert await rejection_reason(corp, name) == "unknown_user"


async def test_disabled_account_is_rejected(corp: DirectoryProvider, samba: Samba) -> None:
    name = samba.create_user(userAccountControl=DISABLED)
    assert await rejection_reason(corp, name) == "account_disabled"


async def test_disabled_account_is_not_revealed_to_wrong_password(
    corp: DirectoryProvider, samba: Samba
) -> None:
    name = samba.create_user(userAccountControl=DISABLED)
    assert await rejection_reason(corp, name, "wrong") == "wrong_password"


async def test_expired_account_is_rejected(corp: DirectoryProvider, samba: Samba) -> None:
    assert (
        await rejection_reason(corp, samba.create_user(accountExpires=LONG_AGO))
        == "account_expired"
    )


async def test_password_that_must_be_changed_is_rejected(
    corp: DirectoryProvider, samba: Samba
) -> None:
    name = samba.create_user()
    samba.modify(f"dn: {dn_of(name)}\nchangetype: modify\nreplace: pwdLastSet\npwdLastSet: 0\n")
    assert await rejection_reason(corp, name) == "must_change_password"


async def test_locked_account_is_rejected(corp: DirectoryProvider, samba: Samba) -> None:
    name = samba.create_user()
    with domain_setting(samba, "lockoutThreshold", "3", restored="0"):
        for _ in range(3):
            assert await rejection_reason(corp, name, "wrong") == "wrong_password"
        assert await rejection_reason(corp, name) == "account_locked"


async def test_sign_in_outside_logon_hours_is_rejected(
    corp: DirectoryProvider, samba: Samba
) -> None:
    name = samba.create_user()
    never = "A" * 28  # 21 bytes of zeros: no hour of the week
    samba.modify(
        f"dn: {dn_of(name)}\nchangetype: modify\nreplace: logonHours\nlogonHours:: {never}\n"
    )
    assert await rejection_reason(corp, name) == "logon_hours"


async def test_user_limited_to_workstations_is_rejected(
    corp: DirectoryProvider, samba: Samba
) -> None:
    assert (
        await rejection_reason(corp, samba.create_user(userWorkstations="OTHER"))
        == "logon_workstation"
    )


async def test_expired_password_is_rejected(corp: DirectoryProvider, samba: Samba) -> None:
    name = samba.create_user()
    assert isinstance(await corp.authenticate(PasswordAttempt(name, PASSWORD)), ExternalIdentity)
    samba.modify(
        f"dn: {dn_of(name)}\nchangetype: modify\nreplace: pwdLastSet\npwdLastSet: {LONG_AGO}\n",
        SET_ANY_TIME,
    )
    assert await rejection_reason(corp, name) == "password_expired"


@pytest.mark.parametrize("password", ["", "\0", "\0\0", "\ud800", "x" * 5000, "\u00ad", "\u200b"])
async def test_invalid_password_is_rejected(
    corp: DirectoryProvider, samba: Samba, password: str
) -> None:
    reason = await rejection_reason(corp, samba.create_user(), password)
    assert reason in ("password_empty", "wrong_password", "password_too_long")


async def test_computer_account_is_rejected(corp: DirectoryProvider) -> None:
    assert await rejection_reason(corp, "dc1$") == "unknown_user"


async def test_user_outside_search_base_or_filter_is_rejected(
    make_provider: MakeProvider, samba: Samba
) -> None:
    inside, outside = samba.create_user(department="it"), samba.create_user()
    corp = await make_provider(user_filter="(&(objectClass=user)(department=it))")
    assert not isinstance(await corp.authenticate(PasswordAttempt(inside, PASSWORD)), Rejected)
    assert await rejection_reason(corp, outside) == "unknown_user"
    elsewhere = await make_provider(user_base=f"CN=Builtin,{BASE}")
    assert await rejection_reason(elsewhere, inside) == "unknown_user"
