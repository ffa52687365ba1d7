"""GitHub's OAuth endpoints: codes and refresh tokens for tokens, and tokens given back.

"Authorizing OAuth apps" and "Refreshing user access tokens" in GitHub's documentation. Errors come
with the status 200.
"""

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from authlib.oauth2.rfc6749.parameters import prepare_grant_uri

from providers.base import DeviceStart, ProviderUnavailable, Refused
from providers.github_settings import GithubSettings
from providers.http_client import HttpClient, retry_after
from providers.oidc_settings import secure_url

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_THEIRS = frozenset(
    {
        *("bad_verification_code", "bad_refresh_token", "access_denied", "expired_token"),
        *("authorization_pending", "slow_down", "incorrect_device_code", "unverified_user_email"),
    }
)
"""Errors about a code or its owner; others are about the app, and the operator's to mend."""


@dataclass(frozen=True, slots=True)
class UserToken:
    """A user access token; ``expires_at`` (seconds since the epoch) None: it doesn't end."""

    access_token: str = field(repr=False)
    refresh_token: str = field(default="", repr=False)
    expires_at: float | None = None
    scopes: tuple[str, ...] = ()

    def secret(self) -> str:
        """What is kept of it."""
        return json.dumps(
            {
                "access_token": self.access_token,
                "refresh_token": self.refresh_token,
                "expires_at": self.expires_at,
            }
        )

    @classmethod
    def of(cls, secret: str) -> "UserToken":
        """From what was kept."""
        said = json.loads(secret)
        return cls(said["access_token"], said["refresh_token"], said["expires_at"])


class GithubOAuth:
    """Sekisho as an app at GitHub."""

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
        """Where people sign in."""
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

    async def token(self, grant: Mapping[str, str]) -> UserToken | Refused:
        """A token for a code; Refused names GitHub's error. Raises ProviderUnavailable."""
        secret = self._settings.client_secret.get_secret_value()
        form = {**grant, "client_id": self._settings.client_id, "client_secret": secret}
        said = await self._posted("/login/oauth/access_token", form)
        error = said.get("error")
        if error is not None:
            if error not in _THEIRS:
                raise ProviderUnavailable(f"GitHub refused the app: {str(error)[:64]!r}")
            return Refused(str(error), str(said.get("interval", "")))
        return self._token(said)

    async def device(self) -> DeviceStart:
        """A code to type. Raises ProviderUnavailable."""
        form = {"client_id": self._settings.client_id, "scope": " ".join(self._settings.scopes)}
        said = await self._posted("/login/device/code", form)
        try:
            interval = max(1, int(said.get("interval", 5)))
            return DeviceStart(
                user_code=str(said["user_code"]),
                verification_uri=secure_url(str(said["verification_uri"])),
                verification_uri_complete=secure_url(str(said["verification_uri"])),
                expires_in=min(int(said["expires_in"]), 3600),
                interval=interval,
                keep={"code": str(said["device_code"]), "interval": str(interval)},
            )
        except (KeyError, ValueError, TypeError):
            error = str(said.get("error", "no code"))[:64]
            raise ProviderUnavailable(f"GitHub gave no code for a device: {error!r}") from None

    async def is_revoked(self, api: str, access_token: str) -> bool:
        """Whether GitHub says, to the app itself, that a token isn't good ("Check a token")."""
        answer = await self._http.request(
            "POST",
            f"{api}/applications/{self._settings.client_id}/token",
            body={"access_token": access_token},
            headers=self._basic(),
        )
        if answer.status == 404:
            return True
        if answer.status == 200:
            return False
        raise ProviderUnavailable(f"GitHub answered {answer.status} to the check of a token")

    async def revoke(self, api: str, access_token: str) -> None:
        """Take back what somebody has granted ("Delete an app authorization")."""
        answer = await self._http.request(
            "DELETE",
            f"{api}/applications/{self._settings.client_id}/grant",
            body={"access_token": access_token},
            headers=self._basic(),
        )
        # 404 and 422: there is no such grant any more.
        if answer.status not in {204, 404, 422}:
            raise ProviderUnavailable(f"GitHub answered {answer.status} to a revocation")

    async def _posted(self, path: str, form: Mapping[str, str]) -> dict[str, Any]:
        answer = await self._http.request("POST", f"{self._settings.base_url}{path}", form=form)
        if answer.status != 200:
            raise ProviderUnavailable(
                f"GitHub answered {answer.status}", retry_after=retry_after(answer.headers)
            )
        return answer.object()

    def _token(self, said: Mapping[str, Any]) -> UserToken:
        access_token = said.get("access_token")
        if not isinstance(access_token, str) or not access_token:
            raise ProviderUnavailable("GitHub gave neither a token nor an error")
        life = said.get("expires_in")
        return UserToken(
            access_token,
            str(said.get("refresh_token") or ""),
            self._wall_clock() + life if isinstance(life, int) else None,
            tuple(filter(None, str(said.get("scope") or "").replace(" ", ",").split(","))),
        )

    def _basic(self) -> dict[str, str]:
        secret = self._settings.client_secret.get_secret_value()
        pair = base64.b64encode(f"{self._settings.client_id}:{secret}".encode()).decode()
        return {"Authorization": f"Basic {pair}", "Accept": "application/vnd.github+json"}
