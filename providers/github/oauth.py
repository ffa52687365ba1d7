"""GitHub's OAuth endpoints: tokens for codes and refresh tokens, and revocation.

See "Authorizing OAuth apps" and "Refreshing user access tokens" in GitHub's documentation. Errors
have the status 200.
"""

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri

from providers.base import DeviceStart, ProviderUnavailable, Rejected
from providers.github.settings import GithubSettings
from providers.http.client import HttpClient, retry_after
from providers.http.urls import secure_url

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_USER_ERRORS = frozenset(
    {
        *("bad_verification_code", "bad_refresh_token", "access_denied", "expired_token"),
        *("authorization_pending", "slow_down", "incorrect_device_code", "unverified_user_email"),
    }
)
"""Errors that concern a code or a user. Others concern the app, and the operator must fix them."""


@dataclass(frozen=True, slots=True)
class UserToken:
    """A user access token. ``expires_at`` is in seconds since 1970; None: it does not expire."""

    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_at: float | None = None
    scopes: tuple[str, ...] = ()

    def secret(self) -> str:
        """Return the token as JSON, to be stored."""
        return json.dumps(
            {
                "access_token": self.access_token,
                "refresh_token": self.refresh_token,
                "expires_at": self.expires_at,
            }
        )

    @classmethod
    def of(cls, secret: str) -> "UserToken":
        """Parse a stored token. Raises ValueError."""
        fields = json.loads(secret)
        if not isinstance(fields, dict):
            raise ValueError("not a stored token")
        access, fresh = fields.get("access_token"), fields.get("refresh_token")
        ends = fields.get("expires_at")
        if not isinstance(access, str) or not isinstance(fresh, str):
            raise ValueError("not a stored token")
        if ends is not None and not isinstance(ends, int | float):
            raise ValueError("not a stored token")
        return cls(access, fresh, ends)


class GithubOAuth:
    """A client of GitHub's OAuth endpoints."""

    def __init__(
        self,
        settings: GithubSettings,
        http: HttpClient,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._http = http
        self._wall_clock = wall_clock

    def authorize_url(self, redirect_uri: str, *, state: str, challenge: str) -> str:
        """Return the URL at which users sign in."""
        url: str = prepare_grant_uri(
            f"{self._settings.base_url}/login/oauth/authorize",
            self._settings.client_id,
            "code",
            redirect_uri=redirect_uri,
            scope=" ".join(self._settings.scopes) or None,
            state=state,
            allow_signup="false",
            code_challenge=challenge,
            code_challenge_method="S256",
        )
        return url

    async def token(self, grant: Mapping[str, str]) -> UserToken | Rejected:
        """Return a token for a grant, or a rejection with GitHub's error.

        Raises:
            ProviderUnavailable: GitHub does not respond, or rejects the app.
        """
        secret = self._settings.client_secret.get_secret_value()
        form = {**grant, "client_id": self._settings.client_id, "client_secret": secret}
        fields = await self._posted("/login/oauth/access_token", form)
        error = fields.get("error")
        if error is not None:
            if not isinstance(error, str) or error not in _USER_ERRORS:
                raise ProviderUnavailable(f"GitHub rejects the app: {str(error)[:64]!r}")
            return Rejected(error, str(fields.get("interval", "")))
        return self._token(fields)

    async def device(self) -> DeviceStart:
        """Request a device code. Raises ProviderUnavailable."""
        form = {"client_id": self._settings.client_id, "scope": " ".join(self._settings.scopes)}
        fields = await self._posted("/login/device/code", form)
        try:
            interval = max(1, int(fields.get("interval", 5)))
            return DeviceStart(
                user_code=str(fields["user_code"]),
                verification_uri=secure_url(str(fields["verification_uri"])),
                verification_uri_complete=secure_url(str(fields["verification_uri"])),
                expires_in=min(int(fields["expires_in"]), 3600),
                interval=interval,
                keep={"code": str(fields["device_code"]), "interval": str(interval)},
            )
        except (KeyError, ValueError, TypeError, OverflowError):
            error = str(fields.get("error", "no code"))[:64]
            raise ProviderUnavailable(f"GitHub returned no device code: {error!r}") from None

    async def is_revoked(self, api: str, access_token: str) -> bool:
        """Return whether a token is revoked, by a request with the app's own credentials.

        See "Check a token" in GitHub's documentation.
        """
        response = await self._http.request(
            "POST",
            f"{api}/applications/{self._settings.client_id}/token",
            body={"access_token": access_token},
            headers=self._basic(),
        )
        if response.status == 404:
            return True
        if response.status == 200:
            return False
        raise ProviderUnavailable(f"GitHub responded {response.status} to the check of a token")

    async def revoke(self, api: str, access_token: str) -> None:
        """Revoke a user's grant ("Delete an app authorization")."""
        response = await self._http.request(
            "DELETE",
            f"{api}/applications/{self._settings.client_id}/grant",
            body={"access_token": access_token},
            headers=self._basic(),
        )
        # 404 and 422: the grant no longer exists.
        if response.status not in {204, 404, 422}:
            raise ProviderUnavailable(f"GitHub responded {response.status} to a revocation")

    async def _posted(self, path: str, form: Mapping[str, str]) -> dict[str, Any]:
        response = await self._http.request("POST", f"{self._settings.base_url}{path}", form=form)
        if response.status != 200:
            raise ProviderUnavailable(
                f"GitHub responded {response.status}", retry_after=retry_after(response.headers)
            )
        return response.object()

    def _token(self, fields: Mapping[str, Any]) -> UserToken:
        access_token = fields.get("access_token")
        if not isinstance(access_token, str) or not access_token:
            raise ProviderUnavailable("GitHub returned neither a token nor an error")
        life = fields.get("expires_in")
        return UserToken(
            access_token,
            str(fields.get("refresh_token") or ""),
            self._wall_clock() + life if isinstance(life, int) else None,
            tuple(filter(None, str(fields.get("scope") or "").replace(" ", ",").split(","))),
        )

    def _basic(self) -> dict[str, str]:
        secret = self._settings.client_secret.get_secret_value()
        pair = base64.b64encode(f"{self._settings.client_id}:{secret}".encode()).decode()
        return {"Authorization": f"Basic {pair}", "Accept": "application/vnd.github+json"}
