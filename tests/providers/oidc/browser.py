"""A sign-in with a browser at the scripted issuer."""

from typing import Any

from tests.support.scripted_issuer import ScriptedIssuer

BACK = "https://sekisho.example/v1/login/corp/callback"
PRINCIPAL = "oidc_corp_user://248289761001"


def respond(issuer: ScriptedIssuer, *, id_token: str | None = None, **more: Any) -> None:
    """Let the token endpoint return an ID token, an access token, and ``more``."""
    body = {"id_token": id_token, "access_token": "access-1", "token_type": "Bearer"} | more
    issuer.token_response = (
        200,
        {name: value for name, value in body.items() if value is not None},
    )


async def sign_in(
    provider: Any, issuer: ScriptedIssuer, query: dict[str, str] | None = None, **claims: Any
) -> Any:
    """Sign in with the ``claims`` of the ID token and the ``query`` of the browser."""
    start = await provider.start_browser(BACK)
    if "nonce" not in claims:
        claims["nonce"] = start.keep["nonce"]
    if issuer.token_response == (200, {}):
        respond(issuer, id_token=issuer.token(**claims), refresh_token="refresh-1")
    parameters = {"state": start.keep["state"], "code": "code-1"} | (query or {})
    return await provider.finish_browser(BACK, start.keep, parameters)
