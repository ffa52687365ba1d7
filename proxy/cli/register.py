"""``sekisho register``: run by the Job of a registration, in the cluster that registers."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli.client.server_client import Reply, ServerClient, read_ca
from proxy.cli.common import CommandFailed, one_line_errors, run_async, unused_config_option, warn

if TYPE_CHECKING:
    from management.clusters.service_account_tokens import AccountTokens
    from management.kubernetes.client import ClusterClient


FINAL = frozenset({204, 403, 409, 422})
"""Statuses after which another attempt with the same code cannot succeed."""


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
    """Send the tokens to Sekisho."""
    body = {
        "code": code,
        "ca_pem": ca_pem,
        "impersonator_token": tokens.impersonator,
        "controller_token": tokens.controller,
    }
    return await ServerClient(server, read_ca(ca_file)).post("/v1/registrations/complete", body)


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
