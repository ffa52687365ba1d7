"""The command line as a client of a Sekisho server: requests, and errors in one line."""

import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from proxy.cli.common import Failed
from proxy.cli.credential_cache import normalised

if TYPE_CHECKING:
    from aiohttp import ClientResponse

TIMEOUT_SECONDS = 30.0


class Unreachable(Failed):
    """The server didn't answer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of the server's. ``data`` is empty where it is no JSON object."""

    status: int
    data: Mapping[str, Any]
    wait: str | None

    @property
    def refusal(self) -> str:
        """Why it didn't do what it was asked to, for people."""
        said = self.data.get("detail") or self.data.get("error_description")
        detail = str(said or f"the server answered {self.status}")
        if self.status in {429, 503} and self.wait and self.wait not in detail:
            return f"{detail}; try again in {self.wait} seconds"
        return detail

    @property
    def error(self) -> str:
        """The error's name, of the token endpoint (RFC 6749 §5.2)."""
        return str(self.data.get("error", ""))


def read_ca(ca_file: Path | None) -> str | None:
    """The certificates in a file. Raises Failed where it can't be read."""
    if ca_file is None:
        return None
    try:
        text = ca_file.read_text()
        ssl.create_default_context(cadata=text)
    except (OSError, ssl.SSLError, ValueError):
        raise Failed(f"--ca-file {ca_file} is not a PEM file of certificates") from None
    return text


def check_server(server: str) -> None:
    """Refuse to send a password or a token where others could read it."""
    parts = urlsplit(server)
    local = parts.scheme == "http" and parts.hostname in {"127.0.0.1", "::1", "localhost"}
    if not parts.hostname or not (parts.scheme == "https" or local):
        raise Failed("--server must begin with https://: a password travels over it")


@dataclass(frozen=True, slots=True)
class ServerClient:
    """Asks one server. ``ca_pem`` None means the system's certificates."""

    server: str
    ca_pem: str | None = None
    timeout: float = TIMEOUT_SECONDS

    async def get(self, path: str) -> Reply:
        """GET. Raises Unreachable."""
        return await self._asked("GET", path)

    async def post(self, path: str, body: object = None, *, token: str | None = None) -> Reply:
        """POST with JSON. Raises Unreachable."""
        return await self._asked("POST", path, json=body, token=token)

    async def post_form(self, path: str, **form: str) -> Reply:
        """POST with a form. Raises Unreachable."""
        return await self._asked("POST", path, data=form)

    async def _asked(
        self, method: str, path: str, *, token: str | None = None, **sent: Any
    ) -> Reply:
        import aiohttp

        check_server(self.server)
        context = ssl.create_default_context(cadata=self.ca_pem)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(self.timeout)) as session,
                session.request(
                    method,
                    normalised(self.server) + path,
                    ssl=context,
                    headers=headers,
                    allow_redirects=False,
                    **sent,
                ) as answer,
            ):
                return Reply(answer.status, await _body(answer), answer.headers.get("Retry-After"))
        except aiohttp.ClientConnectorCertificateError as exc:
            raise Unreachable(
                f"the certificate of {self.server} can't be verified: give its CA with --ca-file"
            ) from exc
        except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
            said = str(exc) or "timed out"
            raise Unreachable(f"{self.server} can't be reached: {said}") from exc


async def _body(answer: "ClientResponse") -> dict[str, Any]:
    """What was answered, as an object; empty where it is none (a load balancer's own page)."""
    try:
        data = json.loads(await answer.read())
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}
