"""Signing in at an issuer: the authorization code flow, a device's, and asking again later."""

import asyncio
import hmac
import json
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from authlib.oauth2.rfc7636 import create_s256_code_challenge

from providers.base import (
    BrowserStart,
    CannotRefresh,
    DeviceStart,
    ExternalIdentity,
    Outcome,
    Pending,
    ProviderUnavailable,
    Refused,
)
from providers.jwt_bearer import Unverified, read_unverified
from providers.jwt_claims import check_issued, check_sign_in
from providers.oidc_client import DEVICE_GRANT, OidcClient, Tokens
from providers.oidc_identity import identity_of, lacks, sign_in_refusal
from providers.oidc_issuer import Issuer
from providers.oidc_settings import OidcSettings, secure_url

LONGEST_CODE = 3600
"""Seconds for which a device's code is waited for, whatever the issuer says."""

REST_SECONDS = 8.0
"""How long userinfo and keys may take after a refresh."""

_ABOUT_SOMEBODY = frozenset({"required_claim", "subject_mismatch"})
"""What is wrong with a person, and not with an answer: only that may lock somebody out."""

_SLOWER = 5
"""Seconds, RFC 8628 §3.5."""


class OidcSignIn:
    """Signs people in at one issuer."""

    def __init__(
        self,
        name: str,
        settings: OidcSettings,
        issuer: Issuer,
        client: OidcClient,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._name = name
        self._settings = settings
        self._issuer = issuer
        self._client = client
        self._wall_clock = wall_clock

    async def start_browser(self, redirect_uri: str) -> BrowserStart:
        """Where to send the browser, and what only it may bring back."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        url = await self._client.authorize_url(
            redirect_uri,
            state=state,
            nonce=nonce,
            challenge=create_s256_code_challenge(verifier),
        )
        return BrowserStart(url, {"state": state, "nonce": nonce, "verifier": verifier})

    async def finish_browser(
        self, redirect_uri: str, keep: Mapping[str, str], answer: Mapping[str, str]
    ) -> Outcome:
        """Who it is, from the query that the browser came back with."""
        if not hmac.compare_digest(answer.get("state", "").encode(), keep["state"].encode()):
            return Refused("state_mismatch")
        # RFC 9207: an answer of another issuer's must not be taken to this one.
        names = answer.get("iss")
        tells = (await self._issuer.metadata()).tells_issuer
        if names != self._settings.issuer and (names is not None or tells):
            return Refused("issuer_mismatch")
        if "error" in answer:
            return Refused("access_denied", answer["error"][:64])
        if not answer.get("code"):
            return Refused("code_missing")
        tokens = await self._client.tokens(
            {
                "grant_type": "authorization_code",
                "code": answer["code"],
                "redirect_uri": redirect_uri,
                "code_verifier": keep["verifier"],
            }
        )
        if isinstance(tokens, Refused):
            return Refused("code_refused", tokens.reason)
        return await self._identity(tokens, nonce=keep["nonce"])

    async def start_device(self) -> DeviceStart:
        """A code to type."""
        said = await self._client.device()
        try:
            complete = str(said.get("verification_uri_complete") or said["verification_uri"])
            for url in (str(said["verification_uri"]), complete):
                secure_url(url.partition("?")[0])
            return DeviceStart(
                user_code=str(said["user_code"]),
                verification_uri=str(said["verification_uri"]),
                verification_uri_complete=complete,
                expires_in=min(int(said["expires_in"]), LONGEST_CODE),
                interval=max(1, int(said.get("interval", 5))),
                keep={
                    "code": str(said["device_code"]),
                    "interval": str(int(said.get("interval", 5))),
                },
            )
        except (KeyError, ValueError, TypeError):
            raise ProviderUnavailable("the issuer's code for a device can't be read") from None

    async def poll_device(self, keep: Mapping[str, str]) -> Outcome | Pending:
        """Who typed the code, if somebody has."""
        tokens = await self._client.tokens(
            {"grant_type": DEVICE_GRANT, "device_code": keep["code"]}
        )
        if not isinstance(tokens, Refused):
            return await self._identity(tokens, nonce=None)
        interval = int(keep["interval"])
        if tokens.reason == "authorization_pending":
            return Pending(interval)
        if tokens.reason == "slow_down":
            return Pending(interval + _SLOWER)
        return tokens

    async def refresh(self, principal_id: str, secret: str | None) -> Outcome:
        """Who it is now, by the refresh token; its successor is in the identity's ``secret``."""
        refresh_token = _refresh_token(secret)
        if not refresh_token:
            raise CannotRefresh(principal_id)
        tokens = await self._client.tokens(
            {"grant_type": "refresh_token", "refresh_token": refresh_token}
        )
        if isinstance(tokens, Refused):
            if tokens.reason != "invalid_grant":
                # Anything else is about the request: no reason to lock somebody out.
                raise ProviderUnavailable(f"the issuer said {tokens.reason!r} to a refresh")
            return Refused("token_revoked")
        kept = _kept(tokens, secret or "", _remembered(secret).get("sub", ""))
        try:
            async with asyncio.timeout(REST_SECONDS):
                outcome = await self._refreshed(principal_id, secret or "", tokens)
        except TimeoutError as exc:
            raise ProviderUnavailable("timed out after a refresh", secret=kept) from exc
        except ProviderUnavailable as exc:
            raise ProviderUnavailable(str(exc), retry_after=exc.retry_after, secret=kept) from exc
        if isinstance(outcome, Refused) and outcome.reason not in _ABOUT_SOMEBODY:
            raise ProviderUnavailable(f"can't be told after a refresh: {outcome}", secret=kept)
        return outcome

    async def revoke(self, secret: str) -> None:
        """Give the refresh token back."""
        refresh_token = _refresh_token(secret)
        if refresh_token:
            await self._client.revoke(refresh_token)

    async def _refreshed(self, principal_id: str, secret: str, tokens: Tokens) -> Outcome:
        subject = _remembered(secret).get("sub", "")
        if tokens.id_token:
            outcome = await self._identity(tokens, nonce=None, before=secret)
        else:
            # An ID token needn't come again (OpenID Connect Core §12.2): userinfo must say it all.
            said = await self._client.userinfo(tokens.access_token)
            if said is None:
                raise CannotRefresh(principal_id)
            if isinstance(said, Refused):
                return said
            if said.get("sub") != subject:
                return Refused("subject_mismatch")
            # What names somebody may be in ID tokens only: they are the same by their "sub".
            key = principal_id.partition("://")[2]
            named = {self._settings.subject_claim: key, **said}
            outcome = self._made(named, _kept(tokens, secret, subject))
        if isinstance(outcome, ExternalIdentity) and outcome.principal_id != principal_id:
            return Refused("subject_mismatch")
        return outcome

    async def _identity(
        self, tokens: Tokens, *, nonce: str | None, before: str = ""
    ) -> ExternalIdentity | Refused:
        said = read_unverified(tokens.id_token)
        if said is None:
            return Refused("malformed", "the ID token")
        refusal = await self._refusal(tokens, said, nonce)
        if refusal is not None:
            return refusal
        claims = await self._with_userinfo(said.claims, tokens)
        if isinstance(claims, Refused):
            return claims
        return self._made(claims, _kept(tokens, before, said.claims.get("sub", "")))

    async def _refusal(self, tokens: Tokens, said: Unverified, nonce: str | None) -> Refused | None:
        client_id = self._settings.client_id or ""
        return (
            check_issued(
                said.claims,
                issuer=self._settings.issuer,
                audiences=[client_id],
                now=self._wall_clock(),
                skew=self._settings.clock_skew.total_seconds(),
            )
            or check_sign_in(
                said.claims,
                client_id=client_id,
                nonce=nonce,
                algorithm=str(said.header.get("alg", "")),
                access_token=tokens.access_token,
            )
            or await self._issuer.signed(tokens.id_token, said, self._settings.algorithms)
        )

    async def _with_userinfo(
        self, claims: dict[str, Any], tokens: Tokens
    ) -> dict[str, Any] | Refused:
        wish = self._settings.userinfo
        if wish == "never" or (wish == "auto" and not lacks(self._settings, claims)):
            return claims
        if not tokens.access_token:
            return claims
        said = await self._client.userinfo(tokens.access_token)
        if isinstance(said, Refused) or said is None:
            return said or claims
        if said.get("sub") != claims.get("sub"):
            return Refused("subject_mismatch", "userinfo")
        # What is signed comes first, but for what userinfo has in full (GitLab's groups).
        groups = self._settings.groups_claim
        full = {groups: said[groups]} if groups is not None and groups in said else {}
        return {**said, **claims, **full}

    def _made(self, claims: Mapping[str, Any], secret: str | None) -> ExternalIdentity | Refused:
        refusal = sign_in_refusal(self._settings, claims)
        if refusal is not None:
            return refusal
        return identity_of(self._name, self._settings, claims, secret=secret)


def _kept(tokens: Tokens, before: str, subject: str) -> str | None:
    """What must be remembered to ask again: the newest refresh token."""
    refresh_token = tokens.refresh_token or _refresh_token(before)
    if not refresh_token:
        return None
    return json.dumps({"refresh_token": refresh_token, "sub": subject})


def _remembered(secret: str | None) -> dict[str, str]:
    return dict(json.loads(secret)) if secret else {}


def _refresh_token(secret: str | None) -> str:
    return _remembered(secret).get("refresh_token", "")
