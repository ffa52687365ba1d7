"""Every setting, with its unit, its default, and why. Pure: nothing here reads a file."""

import ipaddress
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    field_validator,
    model_validator,
)

from config.audit_settings import AuditSettings
from config.identity_settings import IdentitySettings
from config.limit_settings import LimitSettings
from config.listen import Listen, parse_listen
from config.section import Duration, Section

MOST_WORKERS = 256
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_ANY = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
_COUNT = re.compile(r"[1-9][0-9]{0,2}")
_PROVIDER_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")


def _listen(value: Any) -> Any:
    return value if isinstance(value, Listen) else parse_listen(str(value))


def _workers(value: Any) -> Any:
    text = str(value).strip()
    if text == "auto":
        return text
    if not _COUNT.fullmatch(text) or int(text) > MOST_WORKERS:
        raise ValueError(f"must be a number from 1 to {MOST_WORKERS}, or auto")
    return int(text)


def _collide(one: Listen, other: Listen) -> bool:
    everywhere = any((listen.host or "") in _ANY for listen in (one, other))
    return one.port == other.port != 0 and (one.host == other.host or everywhere)


def origin(url: str) -> str:
    """``url`` as browsers write an origin: lower case, no default port, no slash at the end.

    Raises ValueError for what isn't the root of a host, reached by https (or http on loopback).
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme not in {"https", "http"} or "@" in parts.netloc or not host.strip("."):
        raise ValueError("must be a URL like https://sekisho.example.com")
    if not _HOST.fullmatch(host):
        raise ValueError("must name a host by letters, digits, - and . (xn--… for all others)")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError("must have no path: Sekisho stands at the root of its origin")
    if parts.scheme == "http" and host not in LOOPBACK:
        raise ValueError("must begin with https://: tokens travel over it")
    shown = f"[{ipaddress.IPv6Address(host)}]" if ":" in host else host
    by_default = {"https": 443, "http": 80}[parts.scheme]
    return f"{parts.scheme}://{shown}" + (f":{port}" if port not in {None, by_default} else "")


Address = Annotated[Listen, BeforeValidator(_listen)]


class TlsSettings(Section):
    """How the main listener does TLS. Nothing given: with a certificate of Sekisho's own CA."""

    cert_file: Path | None = None
    """PEM: the server's certificate and its intermediates. Read again when it changes."""

    key_file: Path | None = None
    """PEM: its key. Needed with ``cert_file``."""

    ca_file: Path | None = None
    """PEM: what clients must trust, put into kubeconfigs. Leave out for a public CA."""

    plain_http: bool = False
    """Serve plain HTTP, for a load balancer that ends TLS. Never without one."""

    @model_validator(mode="after")
    def _both_or_none(self) -> "TlsSettings":
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together; give both, or neither")
        if self.plain_http and self.cert_file is not None:
            raise ValueError("plain_http and cert_file contradict each other; give one")
        return self


class ServerSettings(Section):
    """The main listener: the gate, the API and the sign-in page."""

    listen: Address = Listen("127.0.0.1", 8443)
    """``host:port``; an empty host means every interface."""

    external_url: str = ""
    """How clients reach the listener, in kubeconfigs and links. Default: https and ``listen``."""

    tls: TlsSettings = TlsSettings()

    workers: Annotated[int | Literal["auto"], BeforeValidator(_workers)] = 1
    """Processes that share the listener; ``auto``: as many as there are CPUs to use."""

    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks of load balancers whose ``X-Forwarded-For`` is believed."""

    idle_timeout: Duration = timedelta(seconds=120)
    """How long a client's connection may idle, and how long the head of a request may take."""

    shutdown_grace_seconds: float = Field(default=30.0, ge=0, le=3600)
    """Seconds that running requests have when the server stops."""

    @model_validator(mode="after")
    def _one_port_for_all(self) -> "ServerSettings":
        if self.workers != 1 and self.listen.port == 0:
            raise ValueError("several workers need a port that all of them know; name one, not 0")
        return self

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            try:
                ipaddress.ip_network(one)
            except ValueError:
                raise ValueError(f"{one!r} is no address or network like 10.0.0.0/8") from None
        return value

    @field_validator("external_url")
    @classmethod
    def _origin(cls, value: str) -> str:
        if not value:
            return value
        return origin(value)


class MetricsSettings(Section):
    """The metrics listener: plain HTTP, for monitoring only."""

    listen: Address = Listen("127.0.0.1", 9443)
    """``host:port``."""


class StoreSettings(Section):
    """Where users, tokens and clusters are kept."""

    url: str = ""
    """``sqlite:///file`` or ``postgresql://…``. Default: ``sekisho.db`` in ``data_dir``."""

    encryption_keys: SecretStr | None = None
    """Base64 keys of 32 bytes, newest first, by comma or line. Default: one made in data_dir."""

    auto_upgrade: bool = True
    """Bring an older schema up when the server starts."""

    @field_validator("encryption_keys", mode="before")
    @classmethod
    def _joined(cls, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value


class SessionSettings(Section):
    """What a sign-in gives."""

    ttl: Duration = timedelta(hours=16)
    """How long a sign-in lasts: a working day."""

    renewable_for: Duration | None = timedelta(days=7)
    """How long after the sign-in a command line may renew it without asking again; null: never."""


class TokenSettings(Section):
    """How long API tokens live."""

    default_ttl: Duration = timedelta(days=90)
    """For tokens that ask for nothing."""

    max_ttl: Duration = timedelta(days=365)
    """The most that may be asked for."""

    kubeconfig_ttl: Duration = timedelta(days=30)
    """For tokens in generated kubeconfigs."""

    @model_validator(mode="after")
    def _within_the_most(self) -> "TokenSettings":
        for name in ("default_ttl", "kubeconfig_ttl"):
            if getattr(self, name) > self.max_ttl:
                raise ValueError(f"{name} is longer than max_ttl; shorten it, or raise max_ttl")
        return self


class LoginSettings(Section):
    """Signing in with a password."""

    attempts_per_user: int = Field(default=5, ge=1)
    """Failures for one name within ``window`` before it must wait."""

    attempts_per_address: int = Field(default=30, ge=1)
    """Failures from one address within ``window``: more, for many people may share one."""

    window: Duration = timedelta(minutes=15)
    """How long a failure counts."""

    password_min_length: int = Field(default=12, ge=8, le=128)
    """Characters, for passwords that are set."""


class GateSettings(Section):
    """The forward path. Times are durations (``10s``)."""

    connect_timeout: Duration = timedelta(seconds=10)
    """For a connection to an API server, TLS included."""

    response_head_timeout: Duration = timedelta(seconds=120)
    """From a request's end to its answer's head: over an API server's own 60 s."""

    idle_connection_ttl: Duration = timedelta(seconds=60)
    """How long an idle connection to an API server is kept."""

    max_connections_per_cluster: int = Field(default=10_000, ge=1)
    """Requests in flight to one cluster, watches and upgrades included."""

    upgrade_idle_timeout: Duration = timedelta(hours=4)
    """How long an exec or port-forward may be still, as in a kubelet."""


class LogSettings(Section):
    """Logs, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least that is written."""

    format: Literal["auto", "json", "console"] = "auto"
    """``auto``: console on a terminal, JSON elsewhere."""

    access: bool = True
    """Whether each request through the gate is a line."""


class ProviderEntry(BaseModel):
    """A provider as configured; its other keys are for the provider's own settings model."""

    model_config = ConfigDict(extra="allow", frozen=True)

    type: str
    """What kind of provider: the name of an entry point."""

    name: str
    """What it is called in URLs and principals; unique."""

    enabled: bool = True
    """False: nobody signs in here, and the tokens of those who did are revoked."""

    access_mode: Literal["unrestricted", "restricted", "required"] = "unrestricted"
    """Who may come in: all, the allowed and those with a role in a cluster, or the allowed only."""

    allowed_principals: tuple[str, ...] = ()
    """Ids of principals, people or groups, for ``access_mode``: ``ldap_group://…``."""

    @field_validator("allowed_principals")
    @classmethod
    def _ids(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            scheme, _, key = one.partition("://")
            if not scheme or not key:
                raise ValueError(f"{one!r} is no principal's id like ldap_group://…")
        return value

    @field_validator("name")
    @classmethod
    def _plain(cls, value: str) -> str:
        if not _PROVIDER_NAME.fullmatch(value):
            raise ValueError("must be 1 to 32 of a-z, 0-9 and -, and not begin or end with -")
        return value

    @property
    def options(self) -> dict[str, Any]:
        """Everything but type and name."""
        return dict(self.model_extra or {})


class ControllerSettings(Section):
    """What looks after clusters: roles, projects, accounts, nodes and health."""

    enabled: bool = True
    """Whether this replica takes part. One of those that do looks after each cluster."""


class Settings(Section):
    """All of ``sekisho.yaml``."""

    server: ServerSettings = ServerSettings()
    metrics: MetricsSettings = Field(default=MetricsSettings(), validate_default=True)
    data_dir: Path = Path("sekisho-data")
    """Keys, certificates and SQLite's file; made with mode 0700."""
    store: StoreSettings = StoreSettings()
    providers: tuple[ProviderEntry, ...] = (ProviderEntry(type="local", name="local"),)
    sessions: SessionSettings = SessionSettings()
    tokens: TokenSettings = TokenSettings()
    login: LoginSettings = LoginSettings()
    identities: IdentitySettings = IdentitySettings()
    controllers: ControllerSettings = ControllerSettings()
    gate: GateSettings = GateSettings()
    limits: LimitSettings = LimitSettings()
    log: LogSettings = LogSettings()
    audit: AuditSettings = AuditSettings()

    @field_validator("metrics")
    @classmethod
    def _apart(cls, value: MetricsSettings, info: ValidationInfo) -> MetricsSettings:
        server = info.data.get("server")
        if server is not None and _collide(value.listen, server.listen):
            raise ValueError(f"listen is {value.listen}, which server.listen has; change one")
        return value

    @field_validator("providers")
    @classmethod
    def _unique(cls, value: tuple[ProviderEntry, ...]) -> tuple[ProviderEntry, ...]:
        names = [entry.name for entry in value]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"the name {twice[0]!r} is there twice; each provider needs its own")
        if not value:
            raise ValueError("at least one provider is needed")
        return value

    @property
    def external_url(self) -> str:
        """How clients reach the main listener."""
        if self.server.external_url:
            return self.server.external_url
        listen = self.server.listen
        scheme = "http" if self.server.tls.plain_http else "https"
        host = listen.host or ""
        return f"{scheme}://{Listen(_ANY.get(host, host), listen.port)}"

    @property
    def store_url(self) -> str:
        """The database's URL."""
        return self.store.url or f"sqlite:///{self.data_dir / 'sekisho.db'}"
