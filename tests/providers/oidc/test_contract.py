"""The OpenID Connect provider keeps the contract."""

from urllib.parse import parse_qsl, urlsplit

from providers.contract import check_bearer, check_browser, check_refresher
from providers.oidc_identity import schemes_of
from tests.parts.scripted_issuer import ScriptedIssuer
from tests.providers.oidc.conftest import Make


async def test_it_signs_in_refreshes_and_verifies(make: Make, issuer: ScriptedIssuer) -> None:
    provider = await make(userinfo="never", bearer={"audiences": ["sekisho"], "direct": True})
    schemes = schemes_of("corp")

    async def visit(url: str) -> dict[str, str]:
        query = dict(parse_qsl(urlsplit(url).query))
        id_token = issuer.token(nonce=query["nonce"])
        said = {"id_token": id_token, "access_token": "a", "refresh_token": "r"}
        issuer.token_answer = (200, said)
        return {"state": query["state"], "code": "code-1"}

    known = await check_browser(provider, schemes, visit)
    await check_refresher(provider, schemes, known)
    await check_bearer(provider, schemes, issuer.token())
