"""``sekisho agent``: connect the cluster in which it runs to a server."""

import ipaddress
import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from config.listen import Listen, parse_listen
from proxy.cli.common import CommandFailed, one_line_errors, unused_config_option
from proxy.cli.durations import DURATION

if TYPE_CHECKING:
    from agent.relay import Address

MAX_TUNNELS = 16
_HOST, _PORT = "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"


@click.command()
@click.option(
    "--server",
    metavar="URL",
    help="The server's URL, with https. Default: $SEKISHO_SERVER.",
)
@click.option(
    "--token-file",
    metavar="FILE",
    required=True,
    help="The file with the agent's token. It is read at each dial, so it can be replaced.",
)
@click.option(
    "--ca-file",
    metavar="FILE",
    help="The CA that alone verifies the server. Default: the system's trust store.",
)
@click.option(
    "--api-server",
    metavar="HOST:PORT",
    help="The only address that streams are relayed to. Default: the cluster's own API server.",
)
@click.option(
    "--tunnels",
    type=click.IntRange(1, MAX_TUNNELS),
    default=2,
    show_default=True,
    help="How many tunnels are kept open, to distinct replicas of the server where possible.",
)
@click.option(
    "--grace",
    type=DURATION,
    default="55s",
    show_default=True,
    help="How long open streams may continue when the agent ends. Below the pod's grace period.",
)
@click.option(
    "--health-listen",
    metavar="HOST:PORT",
    default=":8081",
    show_default=True,
    help="The address of /healthz and /readyz.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    default="info",
    show_default=True,
    help="The lowest level that is logged.",
)
@unused_config_option
@one_line_errors
def agent(
    server: str | None,
    token_file: str,
    ca_file: str | None,
    api_server: str | None,
    tunnels: int,
    grace: timedelta,
    health_listen: str,
    log_level: str,
) -> None:
    """Connect the cluster in which this runs to a server, until SIGTERM.

    The agent opens tunnels to the server, and relays their streams to the API server. It needs no
    rights in the cluster. HTTPS_PROXY and NO_PROXY apply to the way to the server.
    """
    import uvloop

    from agent.run.program import run_agent
    from agent.run.settings import AgentSettings
    from agent.tunnel.control import Hello
    from proxy.cli.version import version_number
    from proxy.logs.setup import set_up_logging

    address = _api_server(api_server, os.environ)
    settings = AgentSettings(
        _server(server or os.environ.get("SEKISHO_SERVER", "")),
        Path(token_file),
        Path(ca_file) if ca_file else None,
        address,
        Hello(
            version_number(),
            os.environ.get("POD_NAME", ""),
            os.environ.get("NODE_NAME", ""),
            address.host,
        ),
        tunnels=tunnels,
        grace=grace.total_seconds(),
        environ=os.environ,
    )
    listen = _listen("--health-listen", health_listen)
    set_up_logging(log_level, "auto")
    uvloop.run(run_agent(settings, listen))


def _server(text: str) -> str:
    """Return the URL of the server. Raises CommandFailed."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    if not host or port == 0 or "@" in parts.netloc or parts.query or parts.fragment:
        raise CommandFailed(
            "--server (or $SEKISHO_SERVER) must be a URL like https://sekisho.example.com"
        )
    # Without TLS, the token would be readable on the way.
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise CommandFailed("--server must begin with https://, so that the token stays secret")
    return text


def _api_server(text: str | None, environ: Mapping[str, str]) -> "Address":
    """Return the address of the API server. Raises CommandFailed."""
    from agent.relay import Address

    if text is None:
        host, port = environ.get(_HOST, ""), environ.get(_PORT, "")
        if not host or not port:
            raise CommandFailed(
                f"${_HOST} and ${_PORT} are not set, so this is no pod; give --api-server HOST:PORT"
            )
        text = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    listen = _listen("--api-server", text)
    if listen.host is None or not listen.port:
        raise CommandFailed("--api-server must have a host and a port, like 10.0.0.1:443")
    return Address(listen.host, listen.port)


def _listen(option: str, text: str) -> Listen:
    try:
        return parse_listen(text)
    except ValueError as exc:
        raise CommandFailed(f"{option}: {exc}") from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
