"""Tests of sign-ins to a real Active Directory."""

import asyncio
import time
import uuid

import pytest

from providers.active_directory.provider import PROVIDER
from providers.base import (
    ExternalIdentity,
    Outcome,
    PasswordAttempt,
    ProviderUnavailable,
    Rejected,
    Throttled,
)
from providers.conformance.password import check_password_provider
from providers.ldap.directory_provider import DirectoryProvider
from providers.throttle import Limits, ThrottledAuthenticator
from tests.providers.active_directory.conftest import MakeProvider
from tests.support.samba import DOMAIN, PASSWORD, Samba, dn_of
from tests.support.waiting import within


@pytest.fixture(scope="module")
def alice(samba: Samba) -> str:
    """Create an ordinary user."""
    return samba.create_user()


def signed_in(outcome: Outcome) -> ExternalIdentity:
    assert isinstance(outcome, ExternalIdentity), outcome
    return outcome


async def test_provider_meets_the_contract(samba: Samba, alice: str) -> None:
    await check_password_provider(PROVIDER, samba.settings(), valid=(alice, PASSWORD))


@pytest.mark.parametrize(
    "form",
    [
        "{}",
        " {} ",
        "CORP\\{}",
        "corp\\{}",
        "corp.example.test\\{}",
        "{}@corp.example.test",
        "{}@CORP.EXAMPLE.TEST",
        "{}@corp",
    ],
)
async def test_user_signs_in_with_each_form_of_name(
    corp: DirectoryProvider, alice: str, form: str
) -> None:
    typed = form.format(alice)
    for name in (typed, typed.upper()):
        identity = signed_in(await corp.authenticate(PasswordAttempt(name, PASSWORD)))
        assert identity.username == alice
        assert identity.display_name == f"{alice} of the tests"
        assert identity.email == f"{alice}@example.test"


async def test_principal_name_with_any_suffix_signs_in(
    corp: DirectoryProvider, samba: Samba
) -> None:
    name = samba.create_user(userPrincipalName=f"user-{uuid.uuid4().hex[:8]}@elsewhere.test")
    samba.modify(
        f"dn: {dn_of(name)}\nchangetype: modify\nreplace: userPrincipalName\n"
        f"userPrincipalName: {name}.s@elsewhere.test\n"
    )
    for typed in (f"{name}.s@elsewhere.test", name, f"{name}@{DOMAIN}"):
        assert signed_in(await corp.authenticate(PasswordAttempt(typed, PASSWORD))).username == name
    other = await corp.authenticate(PasswordAttempt(f"{name}@elsewhere.test", PASSWORD))
    assert other == Rejected("unknown_user")


async def test_start_tls_sign_in_succeeds(
    make_provider: MakeProvider, samba: Samba, alice: str
) -> None:
    corp = await make_provider(servers=[f"ldap://{samba.host}"], start_tls=True)
    signed_in(await corp.authenticate(PasswordAttempt(alice, PASSWORD)))


async def test_plain_connection_to_server_that_requires_tls_is_unavailable(
    make_provider: MakeProvider, samba: Samba, alice: str
) -> None:
    corp = await make_provider(servers=[f"ldap://{samba.host}"], allow_plain=True)
    with pytest.raises(ProviderUnavailable, match="strongerAuthRequired"):
        await corp.authenticate(PasswordAttempt(alice, PASSWORD))


async def test_service_account_with_user_name_form_is_accepted(
    make_provider: MakeProvider, alice: str
) -> None:
    for name in ("CORP\\Administrator", f"Administrator@{DOMAIN}"):
        corp = await make_provider(bind_dn=name)
        await corp.check()
        signed_in(await corp.authenticate(PasswordAttempt(alice, PASSWORD)))


async def test_200_concurrent_sign_ins_do_not_block_the_loop(
    make_provider: MakeProvider, alice: str
) -> None:
    corp = await make_provider(sign_in_timeout="100s", nested_groups="none")
    done = asyncio.Event()

    async def heartbeat() -> None:
        while not done.is_set():
            with within(1.0):
                await asyncio.sleep(0.01)

    beating = asyncio.create_task(heartbeat())
    outcomes = await asyncio.gather(
        *(corp.authenticate(PasswordAttempt(alice, PASSWORD)) for _ in range(200))
    )
    done.set()
    await beating
    assert all(isinstance(one, ExternalIdentity) for one in outcomes)


async def test_failures_with_each_form_of_name_are_counted_together(
    corp: DirectoryProvider, samba: Samba
) -> None:
    name = samba.create_user()
    throttled = ThrottledAuthenticator(corp, Limits(attempts_per_user=5), time.monotonic)
    forms = (name, f"CORP\\{name}", f"{DOMAIN}\\{name}", f"{name}@{DOMAIN}", f"{name}@corp")
    for form in forms:
        refused = await throttled.authenticate(PasswordAttempt(form, "wrong", "10.0.0.1"))
        assert isinstance(refused, Rejected)
        assert refused.reason == "wrong_password"
    for form in (*forms, f"corp\\{name.upper()}", f"CORP.EXAMPLE.TEST\\{name}"):
        with pytest.raises(Throttled):
            await throttled.authenticate(PasswordAttempt(form, PASSWORD, "10.0.0.1"))
    signed_in(await throttled.authenticate(PasswordAttempt(name, PASSWORD, "10.0.0.2")))


async def test_failures_with_equivalent_spellings_are_counted_together(
    corp: DirectoryProvider, samba: Samba
) -> None:
    name = samba.create_user()
    throttled = ThrottledAuthenticator(corp, Limits(attempts_per_user=3), time.monotonic)
    wide = "".join(chr(ord(one) + 0xFEE0) for one in name)
    for form in (name, name.upper(), f" {name}"):
        await throttled.authenticate(PasswordAttempt(form, "wrong", "10.0.0.1"))
    for form in (wide, f"{name}\u200b", f"\u00ad{name}", name.title()):
        with pytest.raises(Throttled):
            await throttled.authenticate(PasswordAttempt(form, PASSWORD, "10.0.0.1"))
