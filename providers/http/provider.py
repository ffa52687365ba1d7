"""The base of providers that send HTTP requests to one backend."""

from datetime import timedelta
from pathlib import Path
from typing import Protocol

from config.address_policy import AddressPolicy
from providers.http.client import HttpClient


class ConnectionSettings(Protocol):
    """How to reach a backend; see :class:`HttpClient`."""

    @property
    def ca_file(self) -> Path | None:
        """Return the path of trusted certificates."""

    @property
    def ca_pem(self) -> str | None:
        """Return trusted certificates."""

    @property
    def timeout(self) -> timedelta:
        """Return the time limit of a request."""

    @property
    def proxy(self) -> str | None:
        """Return the URL of an HTTP proxy."""


class HttpProvider:
    """A provider's name and HTTP client."""

    def __init__(self, name: str, settings: ConnectionSettings, addresses: AddressPolicy) -> None:
        self._name = name
        self._http = HttpClient(
            ca_file=settings.ca_file,
            ca_pem=settings.ca_pem,
            timeout_seconds=settings.timeout.total_seconds(),
            proxy=settings.proxy,
            addresses=addresses,
        )

    @property
    def name(self) -> str:
        """The provider's name in the configuration."""
        return self._name

    async def start(self) -> None:
        """Open the HTTP client. The backend need not be available yet."""
        await self._http.start()

    async def close(self) -> None:
        """Close every connection."""
        await self._http.close()
