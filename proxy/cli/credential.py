"""``sekisho credential``: client-go's exec plugin. Runs on every kubectl call: it loads little."""

import json
from datetime import UTC

import click

from proxy.cli import credential_cache


@click.command()
@click.option("--server", required=True, help="Sekisho's URL.")
@click.option("-c", "--config", metavar="FILE", expose_value=False, hidden=True)
def credential(server: str) -> None:
    """Print the signed-in credential for kubectl (client.authentication.k8s.io/v1)."""
    found = credential_cache.load(server)
    if found is None or not found.usable:
        what = "your sign-in has ended" if found else "you are not signed in"
        provider = found.provider if found else "local"
        click.echo(
            f"sekisho: error: {what}: run `sekisho login --server "
            f"{credential_cache.normalised(server)} --provider {provider}`",
            err=True,
        )
        raise SystemExit(1)
    status = {"token": found.token}
    if found.expires_at is not None:
        ends = found.expires_at.astimezone(UTC)
        status["expirationTimestamp"] = ends.strftime("%Y-%m-%dT%H:%M:%SZ")
    click.echo(
        json.dumps(
            {
                "apiVersion": "client.authentication.k8s.io/v1",
                "kind": "ExecCredential",
                "status": status,
            }
        )
    )
