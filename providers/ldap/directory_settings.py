"""Settings of every directory: servers, TLS, the service account, limits."""

from datetime import timedelta
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from config.section import Duration
from config.text_patterns import described
from providers.ldap.filters import is_attribute, is_filter
from providers.ldap.servers import ServerAddress, parse_server
from providers.settings.certificates import CertificateSettings
from providers.settings.effects import Effect


def _filter(text: str) -> str:
    if not is_filter(text):
        raise ValueError(f"{text!r} is not a filter; write it like (objectClass=person)")
    return text


def _attribute(text: str) -> str:
    if not is_attribute(text):
        raise ValueError(f"{text!r} is not the name of an attribute")
    return text


Filter = Annotated[str, AfterValidator(_filter)]
"""A search filter (RFC 4515)."""

Attribute = Annotated[str, AfterValidator(_attribute)]
"""The name of an attribute."""

Dn = Annotated[
    str,
    Field(min_length=3, pattern=described("=", "a distinguished name, such as dc=example,dc=com")),
]
"""A distinguished name."""


class DirectorySettings(CertificateSettings):
    """The connection to a directory. Subclasses add the settings of users and groups."""

    EFFECTS: ClassVar = {
        "servers": Effect.DESTINATION | Effect.BACKEND,
        "start_tls": Effect.DESTINATION,
        "allow_plain": Effect.DESTINATION,
        "tls_server_name": Effect.DESTINATION,
        "connect_timeout": Effect.NONE,
        "answer_timeout": Effect.NONE,
        "sign_in_timeout": Effect.NONE,
        "connections": Effect.NONE,
        "max_waiting": Effect.NONE,
        "search_limit": Effect.NONE,
        # The password is sent only in a bind as this account.
        "bind_dn": Effect.DESTINATION,
    }

    servers: Annotated[tuple[str, ...], Field(min_length=1)]
    """URLs (``ldaps://dc1``, ``ldap://dc1:1389``), tried in this order."""

    start_tls: bool = False
    """Encrypt ``ldap://`` connections by StartTLS before anything else is sent."""

    allow_plain: bool = False
    """Accept ``ldap://`` without TLS: passwords are sent unencrypted."""

    tls_server_name: str | None = None
    """The name in servers' certificates. Default: each server's host."""

    connect_timeout: Duration = timedelta(seconds=3)
    """The time limit for a connection to one server, TLS handshake included."""

    answer_timeout: Duration = timedelta(seconds=10)
    """The time limit for a server's response."""

    sign_in_timeout: Duration = timedelta(seconds=20)
    """The time limit for a sign-in, search or refresh in total, waiting and failover included."""

    connections: Annotated[int, Field(ge=1, le=64)] = 4
    """Threads that use the directory. Each has at most two connections."""

    max_waiting: Annotated[int, Field(ge=1, le=10_000)] = 256
    """Sign-ins and searches that may wait for a thread. Further ones get 503."""

    search_limit: Annotated[int, Field(ge=1, le=1000)] = 50
    """The most users, and the most groups, that a search for principals returns."""

    bind_dn: Annotated[str, Field(min_length=1)] | None = None
    """The service account for searches: a DN, or another name that the directory accepts."""

    bind_password: SecretStr | None = None
    """The service account's password. Prefer ``bind_password_file``."""

    @field_validator("servers")
    @classmethod
    def _servers_are_urls(cls, servers: tuple[str, ...]) -> tuple[str, ...]:
        for server in servers:
            parse_server(server)
        return servers

    @model_validator(mode="after")
    def _passwords_are_protected(self) -> Self:
        plain = [server for server in self.servers if not parse_server(server).tls]
        if self.start_tls and len(plain) < len(self.servers):
            raise ValueError("start_tls is for ldap:// servers; ldaps:// ones have TLS already")
        if plain and not self.start_tls and not self.allow_plain:
            raise ValueError(
                f"{plain[0]} would send passwords in the clear; use ldaps:// or start_tls: true "
                "(or allow_plain: true, if that is intended)"
            )
        return self

    @model_validator(mode="after")
    def _account_is_whole(self) -> Self:
        secret = self.bind_password.get_secret_value() if self.bind_password else ""
        if self.bind_dn and not secret:
            raise ValueError("bind_dn needs bind_password or bind_password_file, and not empty")
        if self.bind_password is not None and not self.bind_dn:
            raise ValueError("bind_password needs bind_dn")
        return self

    @property
    def addresses(self) -> tuple[ServerAddress, ...]:
        """The servers, parsed."""
        return tuple(parse_server(server) for server in self.servers)
