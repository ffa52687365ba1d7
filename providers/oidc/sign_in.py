"""Sign-in at an issuer: the authorization code flow, the device flow, and refreshes."""

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
    GrantEnded,
    Outcome,
    Pending,
    ProviderUnavailable,
    Rejected,
)
from providers.http.urls import secure_url
from providers.jwt.unverified import MAX_ID_TOKEN_BYTES, Unverified, read_unverified
from providers.jwt.validation import check_sign_in
from providers.oidc.client import DEVICE_GRANT, GONE, OidcClient, OidcTokens
from providers.oidc.groups import Warn
from providers.oidc.identity import identity_of, lacks_needed, needs_userinfo, sign_in_rejection
from providers.oidc.issued_tokens import IssuedTokens
from providers.oidc.issuer import Issuer
from providers.oidc.settings import OidcSettings

LONGEST_CODE = 3600
"""The most seconds for which a device code is valid, whatever the issuer states."""

REST_SECONDS = 8.0
"""The time limit in seconds for userinfo and keys after a refresh."""

_USER_REASONS = frozenset({"required_claim", "subject_mismatch"})
"""Rejections that concern the user, and not the response. Only these may lock a user out."""

_SLOW_DOWN_SECONDS = 5
"""The increase of the interval by ``slow_down``, RFC 8628 §3.5."""


class OidcSignIn(IssuedTokens):
    """Sign-in and refresh at one issuer."""

    def __init__(
        self,
        name: str,
        settings: OidcSettings,
        issuer: Issuer,
        client: OidcClient,
        wall_clock: Callable[[], float] = time.time,
        warn: Warn = lambda text: None,
    ) -> None:
        super().__init__(name, settings, issuer, wall_clock, warn)
        self._client = client

    async def start_browser(self, redirect_uri: str) -> BrowserStart:
        """Return the URL for the browser, and the secrets that bind the sign-in to it."""
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
        """Return the identity for the query with which the browser returned."""
        if not keep.keys() >= {"state", "nonce", "verifier"}:
            return Rejected("state_mismatch", "another provider began the sign-in")
        if not hmac.compare_digest(answer.get("state", "").encode(), keep["state"].encode()):
            return Rejected("state_mismatch")
        # RFC 9207: a response of another issuer must not be accepted.
        issuer = answer.get("iss")
        required = (await self._issuer.metadata()).response_has_issuer
        if issuer != self._settings.issuer and (issuer is not None or required):
            return Rejected("issuer_mismatch")
        if "error" in answer:
            return Rejected("access_denied", answer["error"][:64])
        if not answer.get("code"):
            return Rejected("code_missing")
        tokens = await self._client.tokens(
            {
                "grant_type": "authorization_code",
                "code": answer["code"],
                "redirect_uri": redirect_uri,
                "code_verifier": keep["verifier"],
            }
        )
        if isinstance(tokens, Rejected):
            return Rejected("code_refused", tokens.reason)
        return await self._identity(tokens, nonce=keep["nonce"])

    async def start_device(self) -> DeviceStart:
        """Request a device code."""
        fields = await self._client.device()
        try:
            complete = str(fields.get("verification_uri_complete") or fields["verification_uri"])
            for url in (str(fields["verification_uri"]), complete):
                secure_url(url.partition("?")[0])
            return DeviceStart(
                user_code=str(fields["user_code"]),
                verification_uri=str(fields["verification_uri"]),
                verification_uri_complete=complete,
                expires_in=min(int(fields["expires_in"]), LONGEST_CODE),
                interval=max(1, int(fields.get("interval", 5))),
                keep={
                    "code": str(fields["device_code"]),
                    "interval": str(int(fields.get("interval", 5))),
                },
            )
        except (KeyError, ValueError, TypeError, OverflowError):
            raise ProviderUnavailable("the issuer's device code is not valid") from None

    async def poll_device(self, keep: Mapping[str, str]) -> Outcome | Pending:
        """Return the identity that entered the code, or Pending."""
        if not keep.keys() >= {"code", "interval"}:
            return Rejected("expired", "another provider began the sign-in")
        tokens = await self._client.tokens(
            {"grant_type": DEVICE_GRANT, "device_code": keep["code"]}
        )
        if not isinstance(tokens, Rejected):
            return await self._identity(tokens, nonce=None)
        interval = int(keep["interval"])
        if tokens.reason == "authorization_pending":
            return Pending(interval)
        if tokens.reason == "slow_down":
            return Pending(interval + _SLOW_DOWN_SECONDS)
        return tokens

    async def refresh(self, principal_id: str, secret: str | None) -> Outcome:
        """Return the current identity. Its ``secret`` has the new refresh token."""
        refresh_token = _refresh_token(secret)
        if not refresh_token:
            raise CannotRefresh(principal_id)
        tokens = await self._client.tokens(
            {"grant_type": "refresh_token", "refresh_token": refresh_token}
        )
        if isinstance(tokens, Rejected):
            if tokens.reason == GONE:
                return tokens
            if tokens.reason == "invalid_grant":
                raise GrantEnded(tokens.detail)
            # Other errors concern the request, and must not lock a user out.
            raise ProviderUnavailable(f"the issuer responded {tokens.reason!r} to a refresh")
        kept = _kept(tokens, secret or "", _parsed(secret).get("sub", ""))
        try:
            async with asyncio.timeout(REST_SECONDS):
                outcome = await self._refreshed(principal_id, secret or "", tokens)
        except TimeoutError as exc:
            raise ProviderUnavailable("timed out after a refresh", secret=kept) from exc
        except ProviderUnavailable as exc:
            raise ProviderUnavailable(str(exc), retry_after=exc.retry_after, secret=kept) from exc
        if isinstance(outcome, Rejected) and outcome.reason not in _USER_REASONS:
            raise ProviderUnavailable(f"unknown after a refresh: {outcome}", secret=kept)
        return outcome

    async def revoke(self, secret: str) -> None:
        """Revoke the refresh token."""
        refresh_token = _refresh_token(secret)
        if refresh_token:
            await self._client.revoke(refresh_token)

    async def _refreshed(self, principal_id: str, secret: str, tokens: OidcTokens) -> Outcome:
        subject = _parsed(secret).get("sub", "")
        if tokens.id_token:
            outcome = await self._identity(tokens, nonce=None, before=secret)
        else:
            # A refresh may return no ID token (OpenID Connect Core §12.2): userinfo must suffice.
            userinfo = await self._client.userinfo(tokens.access_token)
            if userinfo is None:
                raise CannotRefresh(principal_id)
            if isinstance(userinfo, Rejected):
                return userinfo
            if userinfo.get("sub") != subject:
                return Rejected("subject_mismatch")
            # The subject claim may be in ID tokens only. "sub" shows that the user is the same.
            key = principal_id.partition("://")[2]
            named = {self._settings.subject_claim: key, **userinfo}
            outcome = self._accepted(named, _kept(tokens, secret, subject))
        if isinstance(outcome, ExternalIdentity) and outcome.principal_id != principal_id:
            return Rejected("subject_mismatch")
        return outcome

    async def _identity(
        self, tokens: OidcTokens, *, nonce: str | None, before: str = ""
    ) -> ExternalIdentity | Rejected:
        unverified = read_unverified(tokens.id_token, limit=MAX_ID_TOKEN_BYTES)
        if unverified is None:
            size = len(tokens.id_token)
            return Rejected(
                "malformed", f"the ID token ({size} bytes, {MAX_ID_TOKEN_BYTES} at most)"
            )
        rejection = await self._rejection(tokens, unverified, nonce)
        if rejection is not None:
            return rejection
        claims = await self._with_userinfo(unverified.claims, tokens)
        if isinstance(claims, Rejected):
            return claims
        return self._accepted(claims, _kept(tokens, before, unverified.claims.get("sub", "")))

    async def _rejection(
        self, tokens: OidcTokens, unverified: Unverified, nonce: str | None
    ) -> Rejected | None:
        client_id = self._settings.client_id or ""
        return (
            self._issued_rejection(unverified.claims, [client_id])
            or check_sign_in(
                unverified.claims,
                client_id=client_id,
                nonce=nonce,
                algorithm=str(unverified.header.get("alg", "")),
                access_token=tokens.access_token,
            )
            or await self._issuer.signed(tokens.id_token, unverified, self._settings.algorithms)
        )

    async def _with_userinfo(
        self, claims: dict[str, Any], tokens: OidcTokens
    ) -> dict[str, Any] | Rejected:
        mode = self._settings.userinfo
        if mode == "never" or (mode == "auto" and not needs_userinfo(self._settings, claims)):
            return claims
        if not tokens.access_token:
            return claims
        try:
            userinfo = await self._client.userinfo(tokens.access_token)
        except ProviderUnavailable as exc:
            if mode == "always" or lacks_needed(self._settings, claims):
                raise
            userinfo = Rejected("userinfo_unavailable", str(exc))
        if isinstance(userinfo, Rejected) and mode == "auto":
            if lacks_needed(self._settings, claims):
                return userinfo
            # Only a display name is missing: that is no reason for a rejection.
            self._warn("userinfo fails, and ID tokens lack names")
            return claims
        if isinstance(userinfo, Rejected) or userinfo is None:
            return userinfo or claims
        if userinfo.get("sub") != claims.get("sub"):
            return Rejected("subject_mismatch", "userinfo")
        # Signed claims take precedence, except groups, which only userinfo has in full (GitLab).
        groups = self._settings.groups_claim
        full = {groups: userinfo[groups]} if groups is not None and groups in userinfo else {}
        return {**userinfo, **claims, **full}

    def _accepted(
        self, claims: Mapping[str, Any], secret: str | None
    ) -> ExternalIdentity | Rejected:
        rejection = sign_in_rejection(self._settings, claims)
        if rejection is not None:
            return rejection
        return identity_of(self._name, self._settings, claims, secret=secret, warn=self._warn)


def _kept(tokens: OidcTokens, before: str, subject: str) -> str | None:
    """Return the secret for the next refresh, with the newest refresh token."""
    refresh_token = tokens.refresh_token or _refresh_token(before)
    if not refresh_token:
        return None
    return json.dumps({"refresh_token": refresh_token, "sub": subject})


def _parsed(secret: str | None) -> dict[str, str]:
    """Return the content of a secret; empty if it is not valid."""
    try:
        kept = json.loads(secret or "{}")
    except ValueError:
        return {}
    return (
        {name: one for name, one in kept.items() if isinstance(one, str)}
        if (isinstance(kept, dict))
        else {}
    )


def _refresh_token(secret: str | None) -> str:
    return _parsed(secret).get("refresh_token", "")
