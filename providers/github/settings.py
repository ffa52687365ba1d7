"""The settings of the provider type ``github``."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, StringConstraints, field_validator, model_validator

from config.section import Duration, Section
from providers.oidc_settings import SecureUrl

PUBLIC = "https://github.com"
Login = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,99})$")]
"""A user's or an organisation's name, or its numeric id."""

TeamName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,100}/[A-Za-z0-9._-]{1,255}$")
]
"""``organisation/slug``."""


class GithubSettings(Section):
    """An OAuth App or a GitHub App, and whom it lets in."""

    client_id: Annotated[str, Field(min_length=1)]
    client_secret: SecretStr
    app: Literal["oauth", "github"] = "oauth"
    """An OAuth App asks for scopes; a GitHub App has permissions, and its tokens end."""

    base_url: SecureUrl = PUBLIC
    """github.com, or the URL of a GitHub Enterprise Server."""

    api_url: SecureUrl | None = None
    """Where the REST API is, if not where it usually is."""

    allowed_orgs: tuple[Login, ...] = ()
    allowed_teams: tuple[TeamName, ...] = ()
    allowed_users: tuple[Login, ...] = ()
    """Who is in one of these, or is one of them, may come in."""

    allow_anyone: bool = False
    """On github.com, where nobody is allowed by name: let everybody in who has an account."""

    search_token: SecretStr | None = None
    """A token that searches for people and teams; without one, nobody is found."""

    timeout: Duration = timedelta(seconds=10)
    ca_file: Path | None = None
    proxy: str | None = None
    """An HTTP proxy's URL, where GitHub is reached through one."""

    @field_validator("base_url", "api_url")
    @classmethod
    def _without_slash(cls, url: str | None) -> str | None:
        return url.rstrip("/") if url is not None else None

    @model_validator(mode="after")
    def _not_everybody_by_accident(self) -> Self:
        named = self.allowed_orgs or self.allowed_teams or self.allowed_users
        if self.is_public and not named and not self.allow_anyone:
            raise ValueError(
                "lets in everybody who has a GitHub account: name allowed_orgs, allowed_teams or "
                "allowed_users (or allow_anyone: true, where that is meant)"
            )
        return self

    @property
    def is_public(self) -> bool:
        """Whether this is github.com, whose ids mean the same to everybody."""
        return self.base_url == PUBLIC

    @property
    def api(self) -> str:
        """The REST API's URL."""
        if self.api_url is not None:
            return self.api_url
        host = urlsplit(self.base_url).netloc
        if self.is_public or host.endswith(".ghe.com"):
            return f"https://api.{host}"
        return f"{self.base_url}/api/v3"

    @property
    def scopes(self) -> tuple[str, ...]:
        """What an OAuth App asks for; a GitHub App's permissions are its own."""
        return ("read:org", "user:email") if self.app == "oauth" else ()
