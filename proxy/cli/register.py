"""``sekisho register``: run by the Job of a registration, in the cluster that registers."""

import asyncio
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli.client.server_client import Reply, ServerClient, read_ca
from proxy.cli.common import CommandFailed, one_line_errors, run_async, unused_config_option, warn

if TYPE_CHECKING:
    from management.clusters.service_account_tokens import AccountTokens
    from management.kubernetes.client import ClusterClient


UNAVAILABLE = 503

FINAL = frozenset({204, 403, 409, 422})
"""Statuses after which another attempt with the same code cannot succeed."""

WAIT_SECONDS, PAUSE_SECONDS = 600.0, 2.0
"""How long, and how often, the server is asked whether the cluster's agent has connected. The
agent's image may have to be pulled first."""


@click.command()
@click.option("--server", required=True, help="Sekisho's URL.")
@click.option(
    "--code-file",
    required=True,
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="File with the registration's code.",
)
@click.option(
    "--ca-file",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="CA of the server's certificate, if your system doesn't trust it.",
)
@click.option("--service-account", type=click.Path(path_type=Path), hidden=True)
@unused_config_option
@one_line_errors
@run_async
async def register(
    server: str, code_file: Path, ca_file: Path | None, service_account: Path | None
) -> None:
    """Register the cluster in which this runs. Part of the registration's manifest."""
    from config.address_policy import ANY_ADDRESS
    from management.clusters.kubeconfig_import import SERVICE_ACCOUNT, from_service_account
    from management.clusters.service_account_tokens import request_tokens
    from management.kubernetes.client import ClusterClient
    from management.kubernetes.errors import ClusterApiError

    code = _code(code_file)
    access = from_service_account(service_account or SERVICE_ACCOUNT)
    endpoint = replace(access.endpoint, addresses=ANY_ADDRESS)  # This runs inside the cluster.
    try:
        async with ClusterClient(endpoint, access.credential) as client:
            tokens = await request_tokens(client)
            reply = await _send_tokens(server, ca_file, code, access.endpoint.ca_pem, tokens)
            if reply.status in FINAL:
                await _give_up_rights(client)
    except ClusterApiError as exc:
        raise CommandFailed(str(exc)) from exc
    if reply.status != 204:
        raise CommandFailed(reply.refusal)
    click.echo(f"registered with {server}")


async def _send_tokens(
    server: str, ca_file: Path | None, code: str, ca_pem: str | None, tokens: "AccountTokens"
) -> Reply:
    """Send the tokens to Sekisho. Wait until the cluster's agent is connected, if it has one."""
    body = {
        "code": code,
        "ca_pem": ca_pem,
        "impersonator_token": tokens.impersonator,
        "controller_token": tokens.controller,
        "api_server": os.environ.get("KUBERNETES_SERVICE_HOST"),
    }
    client = ServerClient(server, read_ca(ca_file))
    clock = asyncio.get_running_loop().time
    deadline = clock() + WAIT_SECONDS
    while True:
        reply = await client.post("/v1/registrations/complete", body)
        if reply.status != UNAVAILABLE or clock() >= deadline:
            return reply
        warn(f"not registered yet: {reply.refusal}")
        await asyncio.sleep(PAUSE_SECONDS)


async def _give_up_rights(client: "ClusterClient") -> None:
    """Delete the role binding of the account that this runs as: it is no longer needed."""
    from management.kubernetes.errors import ApiForbidden, ClusterApiError
    from management.kubernetes.manifests import NAMESPACE, REGISTRAR, collection_path

    try:
        await client.delete(f"{collection_path('RoleBinding', NAMESPACE)}/{REGISTRAR}")
    except ClusterApiError as exc:
        # After a successful registration, Sekisho has already deleted the account.
        if not isinstance(exc, ApiForbidden):
            warn(f"RoleBinding {REGISTRAR} not deleted: {exc}")


def _code(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, ValueError):
        raise CommandFailed(f"--code-file {file} can't be read: check its path and mode") from None
