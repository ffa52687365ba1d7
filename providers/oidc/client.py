"""Requests to an issuer's endpoints, and their errors."""

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri

from providers.base import ProviderUnavailable, Rejected
from providers.http.client import HttpClient, HttpResponse, retry_after
from providers.oidc.issuer import Issuer, Metadata
from providers.oidc.refresh_errors import account_is_gone
from providers.oidc.settings import OidcSettings
from providers.oidc.userinfo import ACCEPT, UserinfoReader

OFFLINE = "offline_access"
GONE = "account_gone"
"""The reason of a rejection if the issuer states that the account is disabled or deleted."""

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_CLIENT_ERRORS = frozenset({"invalid_client", "unauthorized_client", "unsupported_grant_type"})
"""Errors that concern the client, which the operator must fix. They do not concern a user."""


@dataclass(frozen=True, slots=True)
class OidcTokens:
    """The tokens of a token endpoint."""

    id_token: str = field(repr=False)
    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


class OidcClient:
    """A client of one issuer's endpoints."""

    def __init__(
        self,
        settings: OidcSettings,
        issuer: Issuer,
        http: HttpClient,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._issuer = issuer
        self._http = http
        self._userinfo = UserinfoReader(settings, issuer, wall_clock)

    async def authorize_url(
        self, redirect_uri: str, *, state: str, nonce: str, challenge: str
    ) -> str:
        """Return the URL at which users sign in (OpenID Connect Core §3.1.2.1, RFC 7636 §4.3)."""
        metadata = await self._issuer.metadata()
        if not metadata.authorization_endpoint:
            raise ProviderUnavailable("the issuer has no authorization_endpoint")
        url: str = prepare_grant_uri(
            metadata.authorization_endpoint,
            self._settings.client_id,
            "code",
            redirect_uri=redirect_uri,
            scope=self._scope(metadata),
            state=state,
            **self._settings.authorize_parameters,
            nonce=nonce,
            code_challenge=challenge,
            code_challenge_method="S256",
        )
        return url

    async def tokens(self, grant: Mapping[str, str]) -> OidcTokens | Rejected:
        """Return tokens for a grant, or a rejection with the issuer's error."""
        metadata = await self._issuer.metadata()
        response = await self._post(metadata.token_endpoint, grant)
        fields = response.object()
        if response.status == 200 and "error" not in fields:
            return OidcTokens(
                *(_text(fields, n) for n in ("id_token", "access_token", "refresh_token"))
            )
        return _refused(response, fields)

    async def device(self) -> dict[str, Any]:
        """Request a device code (RFC 8628 §3.2)."""
        metadata = await self._issuer.metadata()
        url = metadata.device_authorization_endpoint
        if not url:
            raise ProviderUnavailable("the issuer has no device_authorization_endpoint")
        response = await self._post(url, {"scope": self._scope(metadata)})
        if response.status != 200:
            raise _unavailable(response, "the device endpoint")
        return response.object()

    async def userinfo(self, access_token: str) -> dict[str, Any] | Rejected | None:
        """Return the claims of userinfo (OpenID Connect Core §5.3); None without the endpoint."""
        url = (await self._issuer.metadata()).userinfo_endpoint
        if not url:
            return None
        headers = {"Authorization": f"Bearer {access_token}", "Accept": ACCEPT}
        return await self._userinfo.read(await self._http.request("GET", url, headers=headers))

    async def revoke(self, refresh_token: str) -> None:
        """Revoke a refresh token (RFC 7009)."""
        url = (await self._issuer.metadata()).revocation_endpoint
        if not url:
            return
        form = {"token": refresh_token, "token_type_hint": "refresh_token"}
        response = await self._post(url, form)
        if response.status != 200:
            raise _unavailable(response, "revocation")

    def _scope(self, metadata: Metadata) -> str:
        """Return the scopes to request, with the one for offline refresh tokens."""
        scopes, mode = self._settings.scopes, self._settings.offline_access
        offered = mode == "always" or (mode == "auto" and OFFLINE in metadata.scopes)
        return " ".join(dict.fromkeys((*scopes, OFFLINE) if offered else scopes))

    async def _post(self, url: str, form: Mapping[str, str]) -> HttpResponse:
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


def _refused(response: HttpResponse, fields: Mapping[str, Any]) -> Rejected:
    """Return an error of RFC 6749 §5.2 as a rejection.

    Raises:
        ProviderUnavailable: the error does not concern the grant.
    """
    error = fields.get("error")
    if response.status in {400, 401, 403} and account_is_gone(fields):
        return Rejected(GONE)
    if (
        response.status not in {400, 401, 403}
        or not isinstance(error, str)
        or error in _CLIENT_ERRORS
    ):
        raise _unavailable(response, f"the token endpoint ({str(error)[:40]!r})")
    text = fields.get("error_description")
    return Rejected(error[:64], text[:200] if isinstance(text, str) else "")


def _unavailable(response: HttpResponse, what: str) -> ProviderUnavailable:
    return ProviderUnavailable(
        f"{what} responded {response.status}", retry_after=retry_after(response.headers)
    )


def _text(fields: Mapping[str, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""
