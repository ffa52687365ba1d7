"""Contract tests of the OpenID Connect provider."""

from urllib.parse import parse_qsl, urlsplit

from providers.conformance.capabilities import check_bearer, check_browser, check_refresher
from providers.oidc.identity import schemes_of
from tests.providers.oidc.conftest import Make
from tests.support.scripted_issuer import ScriptedIssuer


async def test_oidc_provider_meets_the_contract(make: Make, issuer: ScriptedIssuer) -> None:
    provider = await make(userinfo="never", bearer={"audiences": ["sekisho"], "direct": True})
    schemes = schemes_of("corp")

    async def visit(url: str) -> dict[str, str]:
        query = dict(parse_qsl(urlsplit(url).query))
        id_token = issuer.token(nonce=query["nonce"])
        body = {"id_token": id_token, "access_token": "a", "refresh_token": "r"}
        issuer.token_response = (200, body)
        return {"state": query["state"], "code": "code-1"}

    known = await check_browser(provider, schemes, visit)
    await check_refresher(provider, schemes, known)
    await check_bearer(provider, schemes, issuer.token())
