"""Signing in to a real Active Directory: who gets in, under which names, and who doesn't."""

import asyncio
import time
import uuid

import pytest

from providers.active_directory import PROVIDER, ActiveDirectoryProvider
from providers.base import Attempt, ExternalIdentity, Outcome, ProviderUnavailable, Refused
from providers.contract import check_password_provider
from tests.parts.samba import DOMAIN, PASSWORD, Samba, dn_of
from tests.providers.active_directory.conftest import Providing


@pytest.fixture(scope="module")
def alice(samba: Samba) -> str:
    """An ordinary user of the tests below."""
    return samba.user()


def let_in(outcome: Outcome) -> ExternalIdentity:
    assert isinstance(outcome, ExternalIdentity), outcome
    return outcome


async def test_the_provider_keeps_the_contract(samba: Samba, alice: str) -> None:
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
async def test_a_person_signs_in_under_each_form_of_their_name(
    corp: ActiveDirectoryProvider, alice: str, form: str
) -> None:
    typed = form.format(alice)
    for name in (typed, typed.upper()):
        identity = let_in(await corp.authenticate(Attempt(name, PASSWORD)))
        assert identity.username == alice
        assert identity.display_name == f"{alice} of the tests"
        assert identity.email == f"{alice}@example.test"


async def test_a_principal_name_may_have_any_suffix(
    corp: ActiveDirectoryProvider, samba: Samba
) -> None:
    name = samba.user(userPrincipalName=f"somebody-{uuid.uuid4().hex[:8]}@elsewhere.test")
    samba.change(
        f"dn: {dn_of(name)}\nchangetype: modify\nreplace: userPrincipalName\n"
        f"userPrincipalName: {name}.s@elsewhere.test\n"
    )
    for typed in (f"{name}.s@elsewhere.test", name, f"{name}@{DOMAIN}"):
        assert let_in(await corp.authenticate(Attempt(typed, PASSWORD))).username == name
    other = await corp.authenticate(Attempt(f"{name}@elsewhere.test", PASSWORD))
    assert other == Refused("unknown_user")


async def test_start_tls(providing: Providing, samba: Samba, alice: str) -> None:
    corp = await providing(servers=[f"ldap://{samba.host}"], start_tls=True)
    let_in(await corp.authenticate(Attempt(alice, PASSWORD)))


async def test_a_domain_controller_that_wants_tls_and_gets_none(
    providing: Providing, samba: Samba, alice: str
) -> None:
    corp = await providing(servers=[f"ldap://{samba.host}"], allow_plain=True)
    with pytest.raises(ProviderUnavailable, match="strongerAuthRequired"):
        await corp.authenticate(Attempt(alice, PASSWORD))


async def test_the_service_account_may_be_named_as_people_are(
    providing: Providing, alice: str
) -> None:
    for name in ("CORP\\Administrator", f"Administrator@{DOMAIN}"):
        corp = await providing(bind_dn=name)
        await corp.check()
        let_in(await corp.authenticate(Attempt(alice, PASSWORD)))


async def test_200_sign_ins_at_once(providing: Providing, alice: str) -> None:
    corp = await providing(sign_in_timeout="100s", nested_groups="none")
    pauses: list[float] = []
    done = asyncio.Event()

    async def heart() -> None:
        last = time.monotonic()
        while not done.is_set():
            await asyncio.sleep(0.01)
            now = time.monotonic()
            pauses.append(now - last)
            last = now

    beating = asyncio.create_task(heart())
    began = time.monotonic()
    outcomes = await asyncio.gather(
        *(corp.authenticate(Attempt(alice, PASSWORD)) for _ in range(200))
    )
    took = time.monotonic() - began
    done.set()
    await beating
    print(f"200 sign-ins in {took:.2f} s; longest pause of the loop {max(pauses) * 1000:.0f} ms")
    assert all(isinstance(one, ExternalIdentity) for one in outcomes)
    assert max(pauses) < 1.0
