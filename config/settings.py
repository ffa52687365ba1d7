"""All settings of ``sekisho.yaml``, with their units and defaults. Pure: no file is read here."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, ValidationInfo, field_validator

from config.address_policy import AddressPolicy
from config.audit_settings import AuditSettings
from config.backup_settings import BackupSettings
from config.cluster_settings import ClusterSettings, ControllerSettings, UpstreamSettings
from config.identity_settings import IdentitySettings
from config.image_settings import ImageSettings
from config.limit_settings import LimitSettings
from config.listen import MAX_PORT, Listen
from config.namespace_settings import NamespaceSettings
from config.peering_settings import PeeringSettings
from config.provisioning_settings import ProvisioningSettings
from config.section import Section
from config.server_settings import MetricsSettings, ServerSettings
from config.sign_in_settings import LoginSettings, ProviderEntry, SessionSettings, TokenSettings
from config.trace_settings import TraceSettings

_ANY_HOST = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104
"""Hosts that mean every interface, with the loopback address of the same family."""


class StoreSettings(Section):
    """The database of users, tokens and clusters."""

    url: str = ""
    """``sqlite:///file`` or ``postgresql://…``. Default: ``sekisho.db`` in ``data_dir``."""

    encryption_keys: SecretStr | None = None
    """Base64 keys of 32 bytes, newest first, separated by commas or lines. Default: a key that is
    generated in ``data_dir``."""

    auto_upgrade: bool = True
    """Upgrade an older schema when the server starts."""

    @field_validator("encryption_keys", mode="before")
    @classmethod
    def _joined(cls, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value


class LogSettings(Section):
    """Logs, on standard error."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """The lowest level that is logged."""

    format: Literal["auto", "json", "console"] = "auto"
    """``auto``: console on a terminal, JSON elsewhere."""

    access: bool = True
    """Whether each request through the proxy is logged."""


class Settings(Section):
    """All of ``sekisho.yaml``."""

    server: ServerSettings = ServerSettings()
    metrics: MetricsSettings = Field(default=MetricsSettings(), validate_default=True)
    peering: PeeringSettings = PeeringSettings()
    data_dir: Path = Path("sekisho-data")
    """The directory of keys, certificates and SQLite's file; created with mode 0700."""
    store: StoreSettings = StoreSettings()
    providers: tuple[ProviderEntry, ...] = (ProviderEntry(type="local", name="local"),)
    """Providers with which users sign in; at least one."""
    sessions: SessionSettings = SessionSettings()
    tokens: TokenSettings = TokenSettings()
    login: LoginSettings = LoginSettings()
    identities: IdentitySettings = IdentitySettings()
    clusters: ClusterSettings = ClusterSettings()
    controllers: ControllerSettings = ControllerSettings()
    images: ImageSettings = ImageSettings()
    namespaces: NamespaceSettings = NamespaceSettings()
    provisioning: ProvisioningSettings = ProvisioningSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    limits: LimitSettings = LimitSettings()
    log: LogSettings = LogSettings()
    audit: AuditSettings = AuditSettings()
    traces: TraceSettings = TraceSettings()
    backup: BackupSettings = BackupSettings()

    @field_validator("metrics")
    @classmethod
    def _separate_listeners(cls, value: MetricsSettings, info: ValidationInfo) -> MetricsSettings:
        server = info.data.get("server")
        if server is not None and _overlap(value.listen, server.listen):
            raise ValueError(f"listen is {value.listen}, which server.listen has; change one")
        if server is not None and value.tls.from_server and server.tls.plain_http:
            raise ValueError("tls.from_server: server.tls.plain_http is set; give tls.cert_file")
        return value

    @field_validator("peering")
    @classmethod
    def _free_ports(cls, value: PeeringSettings, info: ValidationInfo) -> PeeringSettings:
        server = info.data.get("server")
        if server is None or value.listen is None:
            return value
        count = server.workers if isinstance(server.workers, int) else 1
        ours = value.listeners(count)
        if ours[-1].port > MAX_PORT:
            raise ValueError(f"listen is {value.listen}, and {count} workers need a port each")
        others = {"server.listen": server, "metrics.listen": info.data.get("metrics")}
        for name, other in others.items():
            if other is not None and any(_overlap(one, other.listen) for one in ours):
                raise ValueError(
                    f"listen is {value.listen}, one port for each worker, and {name} is "
                    f"{other.listen}; change one"
                )
        return value

    @field_validator("providers")
    @classmethod
    def _unique_names(cls, value: tuple[ProviderEntry, ...]) -> tuple[ProviderEntry, ...]:
        names = [entry.name for entry in value]
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"two providers are named {repeated[0]!r}; give each its own name")
        if not value:
            raise ValueError("at least one provider is needed")
        return value

    @property
    def external_url(self) -> str:
        """The URL by which clients reach the main listener."""
        if self.server.external_url:
            return self.server.external_url
        listen = self.server.listen
        scheme = "http" if self.server.tls.plain_http else "https"
        host = listen.host or ""
        return f"{scheme}://{Listen(_ANY_HOST.get(host, host), listen.port)}"

    @property
    def cluster_addresses(self) -> AddressPolicy:
        """The policy on addresses to which connections to clusters may go."""
        peering = self.peering.listeners(self.server.workers)
        own = (self.server.listen, self.metrics.listen, *peering)
        listeners = {(one.host or "", one.port) for one in own}
        return AddressPolicy.of(
            self.clusters.allow_networks, self.clusters.deny_networks, listeners
        )

    @property
    def store_url(self) -> str:
        """The database's URL."""
        return self.store.url or f"sqlite:///{self.data_dir / 'sekisho.db'}"


def _overlap(one: Listen, other: Listen) -> bool:
    """Return whether two listeners would use the same port of the same interface."""
    any_host = any((listen.host or "") in _ANY_HOST for listen in (one, other))
    same_host = bool(_addresses(one) & _addresses(other))
    return one.port == other.port != 0 and (same_host or any_host)


def _addresses(listen: Listen) -> set[str]:
    """Return what the host of a listener is known by."""
    host = (listen.host or "").lower()
    return {"127.0.0.1", "::1", host} if host == "localhost" else {host}
