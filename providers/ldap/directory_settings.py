"""What every directory needs to know: servers, TLS, the service account, limits."""

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from config.section import Duration, Section
from providers.ldap_filters import is_attribute, is_filter
from providers.ldap_servers import ServerAddress, parse_server


def _filter(text: str) -> str:
    if not is_filter(text):
        raise ValueError(f"{text!r} is not a filter; write it like (objectClass=person)")
    return text


def _attribute(text: str) -> str:
    if not is_attribute(text):
        raise ValueError(f"{text!r} is not an attribute's name")
    return text


Filter = Annotated[str, AfterValidator(_filter)]
"""An operator's search filter (RFC 4515)."""

Attribute = Annotated[str, AfterValidator(_attribute)]
"""The name of an attribute."""

Dn = Annotated[str, Field(min_length=3, pattern="=")]
"""A distinguished name."""


class DirectorySettings(Section):
    """How to reach a directory. Providers add what they look for in it."""

    servers: Annotated[tuple[str, ...], Field(min_length=1)]
    """URLs (``ldaps://dc1``, ``ldap://dc1:1389``), tried in this order."""

    start_tls: bool = False
    """Encrypt ``ldap://`` connections by StartTLS before anything else is said."""

    allow_plain: bool = False
    """Accept ``ldap://`` without TLS: passwords go over the network as they are."""

    ca_file: Path | None = None
    """The certificates (PEM) that servers' certificates are verified with; else the system's."""

    tls_server_name: str | None = None
    """The name that servers' certificates must have; else each server's host."""

    connect_timeout: Duration = timedelta(seconds=3)
    """How long connecting and the TLS handshake may take, with one server."""

    answer_timeout: Duration = timedelta(seconds=10)
    """How long a server may be silent."""

    sign_in_timeout: Duration = timedelta(seconds=20)
    """How long a sign-in, a search or a refresh may take in all, waiting and fail-over included."""

    connections: Annotated[int, Field(ge=1, le=64)] = 4
    """Threads that talk to the directory; each holds two connections at the most."""

    max_waiting: Annotated[int, Field(ge=1, le=10_000)] = 256
    """Sign-ins and searches that may wait for a thread; more are answered 503."""

    search_limit: Annotated[int, Field(ge=1, le=1000)] = 50
    """The most people, and the most groups, that a search for principals finds."""

    bind_dn: Annotated[str, Field(min_length=1)] | None = None
    """The service account that searches: a DN, or whatever name the directory takes for one."""

    bind_password: SecretStr | None = None
    """Its password; better: ``bind_password_file``."""

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
                "(or allow_plain: true, where that is meant)"
            )
        return self

    @model_validator(mode="after")
    def _account_is_whole(self) -> Self:
        secret = self.bind_password.get_secret_value() if self.bind_password else ""
        if self.bind_dn and not secret:
            raise ValueError("bind_dn needs bind_password or bind_password_file, and not empty")
        if self.bind_password is not None and not self.bind_dn:
            raise ValueError("bind_password is there without bind_dn")
        return self

    @property
    def addresses(self) -> tuple[ServerAddress, ...]:
        """The servers, parsed."""
        return tuple(parse_server(server) for server in self.servers)
