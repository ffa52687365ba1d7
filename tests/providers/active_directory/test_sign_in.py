"""Signing in to a real Active Directory: who gets in, under which names, and who doesn't."""

import pytest

from providers.active_directory import PROVIDER, ActiveDirectoryProvider
from providers.base import Attempt, ExternalIdentity, Outcome
from providers.contract import check_password_provider
from tests.parts.samba import PASSWORD, Samba


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
