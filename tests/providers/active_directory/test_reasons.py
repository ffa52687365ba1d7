"""Why a real Active Directory refuses somebody, as the audit log will have it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from providers.active_directory import ActiveDirectoryProvider
from providers.base import Attempt, ExternalIdentity, Refused
from tests.parts.samba import BASE, DISABLED, PASSWORD, Samba, dn_of
from tests.providers.active_directory.conftest import Providing

SET_ANY_TIME = "--controls=local_oid:1.3.6.1.4.1.7165.4.3.20:0"
"""Samba's control that lets pwdLastSet be more than 0 and -1 (PASSWORD_BYPASS_LAST_SET)."""

LONG_AGO = 132_000_000_000_000_000  # 2019, in FILETIME


async def refused(corp: ActiveDirectoryProvider, name: str, password: str = PASSWORD) -> str:
    outcome = await corp.authenticate(Attempt(name, password))
    assert isinstance(outcome, Refused), outcome
    return outcome.reason


@contextmanager
def domain_setting(samba: Samba, name: str, value: str, *, afterwards: str) -> Iterator[None]:
    """A policy of the whole domain, for a moment."""
    record = f"dn: {BASE}\nchangetype: modify\nreplace: {name}\n{name}: "
    samba.change(f"{record}{value}\n")
    try:
        yield
    finally:
        samba.change(f"{record}{afterwards}\n")


async def test_a_wrong_password(corp: ActiveDirectoryProvider, samba: Samba) -> None:
    assert await refused(corp, samba.user(), "wrong") == "wrong_password"


@pytest.mark.parametrize(
    "name",
    ["nobody-there", "", " ", "OTHER\\alice", "a@", "@b", "\\", "x" * 2000, "a\0b", "\ud800"],
)
async def test_a_name_that_is_nobodys(corp: ActiveDirectoryProvider, name: str) -> None:
    assert await refused(corp, name) == "unknown_user"


async def test_a_disabled_account(corp: ActiveDirectoryProvider, samba: Samba) -> None:
    name = samba.user(userAccountControl=DISABLED)
    assert await refused(corp, name) == "account_disabled"


async def test_a_disabled_account_is_not_told_to_who_does_not_know_its_password(
    corp: ActiveDirectoryProvider, samba: Samba
) -> None:
    name = samba.user(userAccountControl=DISABLED)
    assert await refused(corp, name, "wrong") == "wrong_password"


async def test_an_expired_account(corp: ActiveDirectoryProvider, samba: Samba) -> None:
    assert await refused(corp, samba.user(accountExpires=LONG_AGO)) == "account_expired"


async def test_a_password_that_must_be_changed(corp: ActiveDirectoryProvider, samba: Samba) -> None:
    name = samba.user()
    samba.change(f"dn: {dn_of(name)}\nchangetype: modify\nreplace: pwdLastSet\npwdLastSet: 0\n")
    assert await refused(corp, name) == "must_change_password"


async def test_a_locked_account(corp: ActiveDirectoryProvider, samba: Samba) -> None:
    name = samba.user()
    with domain_setting(samba, "lockoutThreshold", "3", afterwards="0"):
        for _ in range(3):
            assert await refused(corp, name, "wrong") == "wrong_password"
        assert await refused(corp, name) == "account_locked"


async def test_hours_in_which_somebody_may_not_sign_in(
    corp: ActiveDirectoryProvider, samba: Samba
) -> None:
    name = samba.user()
    never = "A" * 28  # 21 bytes of zeros: no hour of the week
    samba.change(
        f"dn: {dn_of(name)}\nchangetype: modify\nreplace: logonHours\nlogonHours:: {never}\n"
    )
    assert await refused(corp, name) == "logon_hours"


async def test_workstations_from_which_alone_somebody_may_sign_in(
    corp: ActiveDirectoryProvider, samba: Samba
) -> None:
    assert await refused(corp, samba.user(userWorkstations="OTHER")) == "logon_workstation"


async def test_a_password_that_has_expired(corp: ActiveDirectoryProvider, samba: Samba) -> None:
    name = samba.user()
    assert isinstance(await corp.authenticate(Attempt(name, PASSWORD)), ExternalIdentity)
    samba.change(
        f"dn: {dn_of(name)}\nchangetype: modify\nreplace: pwdLastSet\npwdLastSet: {LONG_AGO}\n",
        SET_ANY_TIME,
    )
    assert await refused(corp, name) == "password_expired"


@pytest.mark.parametrize("password", ["", "\0", "\0\0", "\ud800", "x" * 5000, "\u00ad", "\u200b"])
async def test_what_is_no_password_is_never_a_successful_bind(
    corp: ActiveDirectoryProvider, samba: Samba, password: str
) -> None:
    reason = await refused(corp, samba.user(), password)
    assert reason in ("password_empty", "wrong_password", "password_too_long")


async def test_a_computer_is_nobody(corp: ActiveDirectoryProvider) -> None:
    assert await refused(corp, "dc1$") == "unknown_user"


async def test_somebody_outside_the_search_base_or_the_filter(
    providing: Providing, samba: Samba
) -> None:
    inside, outside = samba.user(department="it"), samba.user()
    corp = await providing(user_filter="(&(objectClass=user)(department=it))")
    assert not isinstance(await corp.authenticate(Attempt(inside, PASSWORD)), Refused)
    assert await refused(corp, outside) == "unknown_user"
    elsewhere = await providing(user_base=f"CN=Builtin,{BASE}")
    assert await refused(elsewhere, inside) == "unknown_user"
