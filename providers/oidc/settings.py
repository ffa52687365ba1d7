"""The settings of the provider type ``oidc``."""

import ipaddress
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from config.section import Duration, Section
from providers.claim_rules import ClaimRule, Conditions
from providers.jwt_keys import ALGORITHMS
from providers.oidc_presets import PRESETS

DEFAULT_ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA")


def secure_url(text: str) -> str:
    """``text`` if it is an https URL (http for this machine itself only). Raises ValueError."""
    parts = urlsplit(text)
    if not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError("must be a URL like https://id.example.com, without a query")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname)):
        raise ValueError("must begin with https://")
    return text


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine's own address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


SecureUrl = Annotated[str, AfterValidator(secure_url)]
ClaimPath = Annotated[str, Field(min_length=1, max_length=256)]
"""A claim's name, or dots into objects: ``realm_access.roles``."""


class BearerSettings(Section):
    """Which of the issuer's tokens are accepted as credentials, and for what."""

    audiences: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    """One of these must be in ``aud``: tokens for somebody else aren't for us."""

    direct: bool = False
    """Accept them at the gate as they are, beside exchanging them."""

    rules: tuple[ClaimRule, ...] = ()
    """The first that matches says for what; without one, nobody gets in. None, with ``direct``:
    everybody whom the issuer has given a token for us."""

    token_lifetime: Duration = timedelta(minutes=15)
    """How long an exchanged token lives, where its rule says nothing."""

    @model_validator(mode="after")
    def _somebody_gets_in(self) -> Self:
        if not self.rules and not self.direct:
            raise ValueError("needs rules (or direct: true, to let in everybody with a token)")
        names = [rule.name for rule in self.rules]
        if len(set(names)) < len(names):
            raise ValueError("rules must have different names")
        return self


class OidcSettings(Section):
    """An issuer, what its claims mean, and what is accepted from it."""

    preset: Literal[tuple(PRESETS)] | None = None  # type: ignore[valid-type]
    issuer: SecureUrl
    client_id: Annotated[str, Field(min_length=1)] | None = None
    """Without one, nobody signs in by the browser: for CI alone."""

    client_secret: SecretStr | None = None
    client_authentication: Literal["basic", "post"] = "basic"
    """How the secret is told, RFC 6749 §2.3.1. Without a secret: a public client."""

    scopes: tuple[str, ...] = ("openid", "profile", "email")
    authorize_parameters: dict[str, str] = Field(default_factory=dict)
    """More of the issuer's own in the URL that people are sent to (``prompt``)."""

    subject_claim: ClaimPath = "sub"
    """What names somebody for ever. The key of the principal: changing it makes new users."""

    username_claim: ClaimPath = "preferred_username"
    display_name_claim: ClaimPath = "name"
    email_claim: ClaimPath = "email"
    groups_claim: ClaimPath | None = None
    required_claims: Conditions | None = None
    """Conditions that everybody must meet, tokens as well: ``{hd: acme.example}``."""

    userinfo: Literal["auto", "always", "never"] = "auto"
    device_flow: bool = True
    algorithms: Annotated[tuple[str, ...], Field(min_length=1)] = DEFAULT_ALGORITHMS
    clock_skew: Duration = timedelta(seconds=60)
    timeout: Duration = timedelta(seconds=10)
    ca_file: Path | None = None
    proxy: str | None = None
    """An HTTP proxy's URL, where the issuer is reached through one."""

    bearer: BearerSettings | None = None

    @model_validator(mode="before")
    @classmethod
    def _as_usual_there(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("preset") in PRESETS:
            return {**PRESETS[values["preset"]], **values}
        return values

    @field_validator("algorithms")
    @classmethod
    def _public_keys_only(cls, algorithms: tuple[str, ...]) -> tuple[str, ...]:
        for one in algorithms:
            if one not in ALGORITHMS:
                raise ValueError(f"{one} is not one of {', '.join(ALGORITHMS)}")
        return algorithms

    @model_validator(mode="after")
    def _is_good_for_something(self) -> Self:
        if self.client_id is None and self.bearer is None:
            raise ValueError("needs client_id (people sign in), or bearer (tokens are accepted)")
        if self.client_id is None and self.client_secret is not None:
            raise ValueError("client_secret is there without client_id")
        if self.client_id is not None and "openid" not in self.scopes:
            raise ValueError("scopes must hold openid")
        return self
