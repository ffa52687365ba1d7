"""``sekisho register``: run by the Job of a registration, inside the cluster that registers."""

from pathlib import Path

import click

from proxy.cli.common import Failed, one_line_errors, run_async, unused_config_option
from proxy.cli.server_client import ServerClient, read_ca


@click.command()
@click.option("--server", required=True, help="Sekisho's URL.")
@click.option(
    "--code-file",
    required=True,
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="The registration's code.",
)
@click.option(
    "--ca-file",
    type=click.Path(dir_okay=False, exists=True, path_type=Path),
    help="The CA of the server's certificate, if your system doesn't know it.",
)
@click.option("--service-account", type=click.Path(path_type=Path), hidden=True)
@unused_config_option
@one_line_errors
@run_async
async def register(
    server: str, code_file: Path, ca_file: Path | None, service_account: Path | None
) -> None:
    """Register the cluster that this runs in, by the manifest that Sekisho has made for it."""
    from management.downstream.accounts import request_tokens
    from management.downstream.client import ClusterClient
    from management.downstream.errors import DownstreamError
    from management.import_kubeconfig import SERVICE_ACCOUNT, from_inside

    code = _code(code_file)
    access = from_inside(service_account or SERVICE_ACCOUNT)
    try:
        async with ClusterClient(access.endpoint, access.credential) as client:
            tokens = await request_tokens(client)
    except DownstreamError as exc:
        raise Failed(str(exc)) from exc
    body = {
        "code": code,
        "ca_pem": access.endpoint.ca_pem,
        "impersonator_token": tokens.impersonator,
        "controller_token": tokens.controller,
    }
    client_of_server = ServerClient(server, read_ca(ca_file))
    reply = await client_of_server.post("/v1/registrations/complete", body)
    if reply.status != 204:
        raise Failed(reply.refusal)
    click.echo(f"registered with {server}")


def _code(file: Path) -> str:
    try:
        return file.read_text().strip()
    except (OSError, ValueError):
        raise Failed(f"--code-file {file} can't be read") from None
