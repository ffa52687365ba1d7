"""Sekisho as a client of an issuer: the requests to its endpoints, and their errors."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri

from providers.base import ProviderUnavailable, Refused
from providers.http_client import Answer, HttpClient, retry_after
from providers.oidc_issuer import Issuer
from providers.oidc_settings import OidcSettings

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_OURS = frozenset({"invalid_client", "unauthorized_client", "unsupported_grant_type"})
"""Errors that are the operator's to mend, and nobody's refusal."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a token endpoint gave."""

    id_token: str = field(repr=False)
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


class OidcClient:
    """Talks to one issuer's endpoints."""

    def __init__(self, settings: OidcSettings, issuer: Issuer, http: HttpClient) -> None:
        self._settings = settings
        self._issuer = issuer
        self._http = http

    async def authorize_url(
        self, redirect_uri: str, *, state: str, nonce: str, challenge: str
    ) -> str:
        """Where people sign in (OpenID Connect Core §3.1.2.1, RFC 7636 §4.3)."""
        metadata = await self._issuer.metadata()
        if not metadata.authorization_endpoint:
            raise ProviderUnavailable("the issuer has no authorization_endpoint")
        url: str = prepare_grant_uri(
            metadata.authorization_endpoint,
            self._settings.client_id,
            "code",
            redirect_uri=redirect_uri,
            scope=" ".join(self._settings.scopes),
            state=state,
            **self._settings.authorize_parameters,
            nonce=nonce,
            code_challenge=challenge,
            code_challenge_method="S256",
        )
        return url

    async def tokens(self, grant: Mapping[str, str]) -> Tokens | Refused:
        """Tokens for a grant; Refused names the error that the issuer answered with."""
        metadata = await self._issuer.metadata()
        answer = await self._post(metadata.token_endpoint, grant)
        said = answer.object()
        if answer.status == 200 and "error" not in said:
            return Tokens(*(_text(said, n) for n in ("id_token", "access_token", "refresh_token")))
        return _refused(answer, said)

    async def device(self) -> dict[str, Any]:
        """A code to type (RFC 8628 §3.2)."""
        url = (await self._issuer.metadata()).device_authorization_endpoint
        if not url:
            raise ProviderUnavailable("the issuer has no device_authorization_endpoint")
        answer = await self._post(url, {"scope": " ".join(self._settings.scopes)})
        if answer.status != 200:
            raise ProviderUnavailable(f"the issuer answered {answer.status} to a device")
        return answer.object()

    async def userinfo(self, access_token: str) -> dict[str, Any] | Refused | None:
        """What userinfo says (OpenID Connect Core §5.3); None where there is none."""
        url = (await self._issuer.metadata()).userinfo_endpoint
        if not url:
            return None
        headers = {"Authorization": f"Bearer {access_token}"}
        answer = await self._http.request("GET", url, headers=headers)
        if answer.status in {401, 403}:
            return Refused("userinfo_refused")
        if answer.status != 200:
            raise _unavailable(answer, "userinfo")
        return answer.object()

    async def revoke(self, refresh_token: str) -> None:
        """Give a refresh token back (RFC 7009)."""
        url = (await self._issuer.metadata()).revocation_endpoint
        if not url:
            return
        answer = await self._post(url, {"token": refresh_token, "token_type_hint": "refresh_token"})
        if answer.status != 200:
            raise _unavailable(answer, "revocation")

    async def _post(self, url: str, form: Mapping[str, str]) -> Answer:
        if not url:
            raise ProviderUnavailable("the issuer has no such endpoint")
        client_id, secret = self._settings.client_id or "", self._settings.client_secret
        if secret is None:
            return await self._http.request("POST", url, form={**form, "client_id": client_id})
        if self._settings.client_authentication == "post":
            known = {"client_id": client_id, "client_secret": secret.get_secret_value()}
            return await self._http.request("POST", url, form={**form, **known})
        pair = f"{quote(client_id, safe='')}:{quote(secret.get_secret_value(), safe='')}"
        basic = base64.b64encode(pair.encode()).decode("ascii")
        return await self._http.request(
            "POST", url, form=form, headers={"Authorization": f"Basic {basic}"}
        )


def _refused(answer: Answer, said: Mapping[str, Any]) -> Refused:
    """An error of RFC 6749 §5.2. Raises ProviderUnavailable for what isn't about the grant."""
    error = said.get("error")
    if answer.status not in {400, 401, 403} or not isinstance(error, str) or error in _OURS:
        raise _unavailable(answer, f"the token endpoint ({str(error)[:40]!r})")
    return Refused(error[:64])


def _unavailable(answer: Answer, what: str) -> ProviderUnavailable:
    return ProviderUnavailable(
        f"{what} answered {answer.status}", retry_after=retry_after(answer.headers)
    )


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    return value if isinstance(value, str) else ""
