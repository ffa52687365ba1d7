"""Settings of the listeners: addresses, TLS, workers, metrics. Pure."""

import ipaddress
import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from config.listen import Listen, parse_listen
from config.section import Duration, Lag, Networks, Section
from config.text_patterns import described

MAX_WORKERS = 256
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_HOST = re.compile(r"[a-z0-9._-]+|[0-9a-f:.]+")
_NAME = described(rf"^(?:{_HOST.pattern})$", "a host name in lower case, or an IP address")
_COUNT = re.compile(r"[1-9][0-9]{0,2}")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{16,512}")
"""A bearer token by RFC 6750, section 2.1, and long enough that it cannot be guessed."""


def _listen(value: Any) -> Any:
    return value if isinstance(value, Listen) else parse_listen(str(value))


def _workers(value: Any) -> Any:
    text = str(value).strip()
    if text == "auto":
        return text
    if not _COUNT.fullmatch(text) or int(text) > MAX_WORKERS:
        raise ValueError(f"must be a number from 1 to {MAX_WORKERS}, or auto")
    return int(text)


def _not_everywhere(value: tuple[str, ...]) -> tuple[str, ...]:
    for one in value:
        if ipaddress.ip_network(one).prefixlen == 0:
            raise ValueError(
                f"{one!r} is every address: each client could choose the address that Sekisho "
                "limits and logs; name the networks of the load balancers"
            )
    return value


Balancers = Annotated[Networks, AfterValidator(_not_everywhere)]
"""Addresses and networks of load balancers, whose word about clients' addresses counts."""


def origin(url: str) -> str:
    """Return ``url`` as browsers write an origin: lower case, no default port, no final slash.

    Raises:
        ValueError: the URL is not the root of a host, or is not https (http on loopback).
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme not in {"https", "http"} or "@" in parts.netloc or not host.strip("."):
        raise ValueError("must be a URL like https://sekisho.example.com")
    if not _HOST.fullmatch(host):
        raise ValueError("must name a host by letters, digits, - and . (xn--… for all others)")
    if parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise ValueError("must have no path: Sekisho is served at the root of its origin")
    if parts.scheme == "http" and host not in LOOPBACK:
        raise ValueError("must begin with https://: tokens travel over it")
    shown = f"[{ipaddress.IPv6Address(host)}]" if ":" in host else host
    default_port = {"https": 443, "http": 80}[parts.scheme]
    return f"{parts.scheme}://{shown}" + (f":{port}" if port not in {None, default_port} else "")


Address = Annotated[Listen, BeforeValidator(_listen)]


class TlsSettings(Section):
    """TLS of the main listener. By default, its certificate comes from Sekisho's own CA."""

    cert_file: Path | None = None
    """PEM: the server's certificate and its intermediates. Read again when the file changes."""

    key_file: Path | None = None
    """PEM: the private key. Required with ``cert_file``."""

    ca_file: Path | None = None
    """PEM: the CA that clients must trust; written into kubeconfigs. Omit it for a public CA."""

    names: tuple[Annotated[str, Field(pattern=_NAME)], ...] = Field(default=(), max_length=50)
    """More hosts in the certificate of Sekisho's own CA, such as that of a former external_url."""

    plain_http: bool = False
    """Serve plain HTTP, for a load balancer that terminates TLS. Never use it without one."""

    @model_validator(mode="after")
    def _both_or_none(self) -> "TlsSettings":
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together; give both, or neither")
        if self.plain_http and self.cert_file is not None:
            raise ValueError("plain_http and cert_file contradict each other; give one")
        if self.names and (self.plain_http or self.cert_file is not None):
            raise ValueError("names are for the certificate of Sekisho's own CA, which is not used")
        return self


class ServerSettings(Section):
    """The main listener: proxy, API and sign-in page."""

    listen: Address = Listen("127.0.0.1", 8443)
    """``host:port``; an empty host means every interface."""

    external_url: str = ""
    """The URL by which clients reach the listener, in kubeconfigs and links. Default: https and
    ``listen``."""

    tls: TlsSettings = TlsSettings()

    workers: Annotated[int | Literal["auto"], BeforeValidator(_workers)] = 1
    """Processes that share the listener; ``auto``: the number of usable CPUs."""

    trusted_proxies: Balancers = ()
    """Addresses or networks of load balancers whose ``X-Forwarded-For`` is trusted."""

    proxy_protocol_from: Balancers = ()
    """Addresses or networks of load balancers that announce each client's address by the PROXY
    protocol. Their connections must begin with its header; those from elsewhere must not."""

    idle_timeout: Duration = timedelta(seconds=120)
    """How long a client's connection may be idle, and how long a request's header may take."""

    shutdown_delay: Lag = Field(default=timedelta(0), le=timedelta(hours=1))
    """How long the server serves on after it has become unready, when it stops: the time in which
    load balancers notice."""

    shutdown_grace_seconds: float = Field(default=30.0, ge=0, le=3600)
    """Seconds that active requests may continue after the server begins to stop."""

    @model_validator(mode="after")
    def _fixed_port_for_workers(self) -> "ServerSettings":
        if self.workers != 1 and self.listen.port == 0:
            raise ValueError("several workers need one known port; give a port other than 0")
        return self

    @field_validator("external_url")
    @classmethod
    def _origin(cls, value: str) -> str:
        return origin(value) if value else value


class MetricsTlsSettings(Section):
    """TLS of the metrics listener. By default, it has none."""

    from_server: bool = False
    """Use the main listener's certificate."""

    cert_file: Path | None = None
    """PEM: a certificate of its own. Read again when the file changes."""

    key_file: Path | None = None
    """PEM: the private key. Required with ``cert_file``."""

    @model_validator(mode="after")
    def _one_certificate(self) -> "MetricsTlsSettings":
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together; give both, or neither")
        if self.from_server and self.cert_file is not None:
            raise ValueError("from_server and cert_file contradict each other; give one")
        return self

    @property
    def enabled(self) -> bool:
        """Return whether the listener uses TLS."""
        return self.from_server or self.cert_file is not None


class MetricsSettings(Section):
    """The metrics listener, for monitoring only."""

    listen: Address = Listen("127.0.0.1", 9443)
    """``host:port``."""

    token: SecretStr | None = None
    """The bearer token that a scrape must send. Default: none is needed."""

    tls: MetricsTlsSettings = MetricsTlsSettings()

    @field_validator("token")
    @classmethod
    def _strong(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not _TOKEN.fullmatch(value.get_secret_value()):
            raise ValueError(
                "must have 16 to 512 letters, digits, and -._~+/=; "
                "make one with: openssl rand -hex 32"
            )
        return value
