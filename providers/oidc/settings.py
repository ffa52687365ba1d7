"""The settings of the provider type ``oidc``."""

from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from config.section import Duration, Section
from providers.http.urls import ProxyUrl, SecureUrl
from providers.jwt.keys import ALGORITHMS
from providers.jwt.rules import ClaimRule, Conditions
from providers.oidc.presets import PRESETS
from providers.settings.certificates import CertificateSettings
from providers.settings.effects import Effect

DEFAULT_ALGORITHMS = ("RS256", "PS256", "ES256", "ES384", "EdDSA")


ClaimPath = Annotated[str, Field(min_length=1, max_length=256)]
"""The name of a claim, or a dotted path into objects: ``realm_access.roles``."""


class BearerSettings(Section):
    """The issuer's tokens that are accepted as credentials, and their limits."""

    audiences: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Field(min_length=1)]
    """``aud`` must contain one of these. Tokens for other audiences are rejected."""

    direct: bool = False
    """Also accept the tokens in the proxy, without an exchange."""

    rules: tuple[ClaimRule, ...] = ()
    """The first rule that matches sets the limits. A token without a matching rule is rejected.
    With ``direct`` and no rules, every token for the audience is accepted."""

    token_lifetime: Duration = timedelta(minutes=15)
    """The lifetime of an exchanged token, unless its rule has one."""

    @model_validator(mode="after")
    def _has_rules_or_direct(self) -> Self:
        if not self.rules and not self.direct:
            raise ValueError("needs rules (or direct: true, to accept every token)")
        names = [rule.name for rule in self.rules]
        if len(set(names)) < len(names):
            raise ValueError("rules must have different names")
        return self


class OidcSettings(CertificateSettings):
    """An issuer, the meaning of its claims, and the tokens that are accepted."""

    EFFECTS: ClassVar = {
        "preset": Effect.NONE,  # its effects are compared field by field
        "issuer": Effect.DESTINATION | Effect.BACKEND,
        # An ID token for another client was issued to another application.
        "client_id": Effect.MEANING,
        "client_authentication": Effect.NONE,
        "scopes": Effect.NONE,
        "offline_access": Effect.NONE,
        "authorize_parameters": Effect.MEANING,
        "subject_claim": Effect.MEANING | Effect.BACKEND,
        "username_claim": Effect.MEANING,
        "display_name_claim": Effect.NONE,
        "email_claim": Effect.NONE,
        "groups_claim": Effect.MEANING,
        "groups_member": Effect.MEANING,
        "groups_separator": Effect.MEANING,
        "required_claims": Effect.NONE,
        "userinfo": Effect.MEANING,
        "device_flow": Effect.NONE,
        "algorithms": Effect.MEANING,
        "clock_skew": Effect.MEANING,
        "timeout": Effect.NONE,
        "proxy": Effect.DESTINATION,
        "bearer": Effect.MEANING,
    }

    preset: Literal[tuple(PRESETS)] | None = None  # type: ignore[valid-type]
    issuer: SecureUrl
    client_id: Annotated[str, Field(min_length=1)] | None = None
    """Without it, there is no sign-in; only tokens are accepted (CI)."""

    client_secret: SecretStr | None = None
    client_authentication: Literal["basic", "post"] = "basic"
    """How the secret is sent, RFC 6749 §2.3.1. Without a secret: a public client."""

    scopes: tuple[str, ...] = ("openid", "profile", "email")
    offline_access: Literal["auto", "always", "never"] = "auto"
    """Whether to request the scope ``offline_access``, whose refresh tokens outlive the session at
    the issuer. ``auto``: if the issuer declares that it supports it."""

    authorize_parameters: dict[str, str] = Field(default_factory=dict)
    """Additional parameters of the authorization URL (``prompt``)."""

    subject_claim: ClaimPath = "sub"
    """The claim that identifies a user permanently: the principal's key. A change creates new
    users.
    """

    username_claim: ClaimPath = "preferred_username"
    display_name_claim: ClaimPath = "name"
    email_claim: ClaimPath = "email"
    groups_claim: ClaimPath | None = None
    groups_member: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """If groups are objects: the member with the name, preferably one that is never reused
    (``id``)."""

    groups_separator: Annotated[str, Field(min_length=1, max_length=8)] | None = None
    """If all groups are in one text: the separator (``","``)."""

    required_claims: Conditions | None = None
    """Conditions that every user and token must meet: ``{hd: acme.example}``."""

    userinfo: Literal["auto", "always", "never"] = "auto"
    device_flow: bool = True
    algorithms: Annotated[tuple[str, ...], Field(min_length=1)] = DEFAULT_ALGORITHMS
    clock_skew: Duration = timedelta(seconds=60)
    timeout: Duration = timedelta(seconds=10)
    proxy: ProxyUrl | None = None
    """The URL of an HTTP proxy for requests to the issuer."""

    bearer: BearerSettings | None = None

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, values: Any) -> Any:
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
    def _has_sign_in_or_bearer(self) -> Self:
        if self.client_id is None and self.bearer is None:
            raise ValueError("needs client_id (users sign in), or bearer (tokens are accepted)")
        if self.client_id is None and self.client_secret is not None:
            raise ValueError("client_secret needs client_id")
        if self.client_id is not None and "openid" not in self.scopes:
            raise ValueError("scopes must contain openid")
        return self
