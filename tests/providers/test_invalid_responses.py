"""Tests of invalid stored secrets and responses: a rejection, or an unavailable provider."""

import pytest

from tests.providers.github.responses import github_provider
from tests.providers.oidc.responses import oidc
from tests.providers.outcomes import outcome_of
from tests.support.fake_github import fake_github
from tests.support.isolation import free_port
from tests.support.scripted_issuer import scripted_issuer


@pytest.mark.parametrize("secret", ["", "x", "{}", "[]", "null", '{"access_token": 7}', "7", '"x"'])
async def test_invalid_stored_secret_ends_in_a_contract_outcome(secret: str) -> None:
    async with fake_github(free_port()) as github, scripted_issuer(free_port()) as issuer:
        hub, corp = await github_provider(github), await oidc(issuer)
        await outcome_of(lambda: hub.refresh("github_ghe_user://1000", secret))
        await outcome_of(lambda: hub.revoke_grant("github_ghe_user://1000", secret))
        await outcome_of(lambda: corp.refresh("oidc_corp_user://1", secret))
        await outcome_of(lambda: corp.revoke_grant("oidc_corp_user://1", secret))
        await hub.close()
        await corp.close()
