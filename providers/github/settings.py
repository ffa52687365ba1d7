"""The settings of the provider type ``github``."""

from datetime import timedelta
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, StringConstraints, field_validator, model_validator

from config.section import Duration
from config.text_patterns import described
from providers.http.urls import ProxyUrl, SecureUrl
from providers.settings.certificates import CertificateSettings
from providers.settings.effects import Effect

PUBLIC = "https://github.com"
_LOGIN = described(
    r"^[A-Za-z0-9](?:[A-Za-z0-9_-]{0,99})$", "the name of a user or organization, or its id"
)
_TEAM = described(
    r"^(?:[1-9][0-9]{0,19}|[A-Za-z0-9_-]{1,100}/[A-Za-z0-9._-]{1,255})$",
    "organization/slug, or the id of a team",
)

Login = Annotated[str, StringConstraints(pattern=_LOGIN)]
"""The name of a user or organization, or its numeric id. A number always means an id."""

TeamName = Annotated[str, StringConstraints(pattern=_TEAM)]
"""``organization/slug``, the organization by name or id; or the team's numeric id."""


def is_id(configured: str) -> bool:
    """Return whether a configured user, organization or team is given by its numeric id."""
    return configured.isascii() and configured.isdigit()


class GithubSettings(CertificateSettings):
    """An OAuth App or a GitHub App, and the users who may sign in."""

    EFFECTS: ClassVar = {
        "client_id": Effect.MEANING,
        "app": Effect.NONE,
        "base_url": Effect.DESTINATION | Effect.BACKEND,
        "api_url": Effect.DESTINATION | Effect.BACKEND,
        "allowed_orgs": Effect.NONE,
        "allowed_teams": Effect.NONE,
        "allowed_users": Effect.NONE,
        "allow_anyone": Effect.NONE,
        "timeout": Effect.NONE,
        "proxy": Effect.DESTINATION,
    }

    client_id: Annotated[str, Field(min_length=1)]
    client_secret: SecretStr
    app: Literal["oauth", "github"] = "oauth"
    """An OAuth App requests scopes. A GitHub App has permissions, and its tokens expire."""

    base_url: SecureUrl = PUBLIC
    """github.com, or the URL of a GitHub Enterprise Server."""

    api_url: SecureUrl | None = None
    """The URL of the REST API. Default: the usual one for ``base_url``."""

    allowed_orgs: tuple[Login, ...] = ()
    allowed_teams: tuple[TeamName, ...] = ()
    allowed_users: tuple[Login, ...] = ()
    """Users who are in one of these organizations or teams, or who are listed, may sign in."""

    allow_anyone: bool = False
    """On github.com, without the lists above: everyone with an account may sign in."""

    search_token: SecretStr | None = None
    """A token for searches of users and teams. Without it, a search finds nothing."""

    timeout: Duration = timedelta(seconds=10)
    proxy: ProxyUrl | None = None
    """The URL of an HTTP proxy for requests to GitHub."""

    @field_validator("base_url", "api_url")
    @classmethod
    def _without_slash(cls, url: str | None) -> str | None:
        return url.rstrip("/") if url is not None else None

    @model_validator(mode="after")
    def _anyone_only_if_intended(self) -> Self:
        named = self.allowed_orgs or self.allowed_teams or self.allowed_users
        if self.is_public and not named and not self.allow_anyone:
            raise ValueError(
                "everyone with a GitHub account could sign in: set allowed_orgs, allowed_teams or "
                "allowed_users (or allow_anyone: true, if that is intended)"
            )
        return self

    @property
    def is_public(self) -> bool:
        """Whether this is github.com, with globally unique ids."""
        return self.base_url == PUBLIC

    @property
    def api(self) -> str:
        """The URL of the REST API."""
        if self.api_url is not None:
            return self.api_url
        host = urlsplit(self.base_url).netloc
        if self.is_public or host.endswith(".ghe.com"):
            return f"https://api.{host}"
        return f"{self.base_url}/api/v3"

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes that an OAuth App requests. A GitHub App has permissions instead."""
        return ("read:org", "user:email") if self.app == "oauth" else ()
