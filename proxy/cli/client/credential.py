"""``sekisho credential``: client-go's exec plugin. Runs on every kubectl call: it loads little."""

import json
import os
from dataclasses import replace
from datetime import UTC

import click

from proxy.cli import credential_cache
from proxy.cli.credential_cache import Credential

VERSIONS = ("client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1")
"""What client-go may ask for in ``KUBERNETES_EXEC_INFO``."""

RENEWAL_SECONDS = 10.0
"""How long a renewal may take while kubectl waits."""


@click.command()
@click.option("--server", required=True, help="Sekisho's URL.")
@click.option("-c", "--config", metavar="FILE", expose_value=False, hidden=True)
def credential(server: str) -> None:
    """Print the signed-in credential for kubectl (client.authentication.k8s.io/v1)."""
    found = credential_cache.load(server)
    if found is not None and found.due:
        found = _renewed(server)
    if found is None or not found.usable:
        what = "your sign-in has ended" if found else "you are not signed in"
        provider = f" --provider {found.provider}" if found else ""
        click.echo(
            f"sekisho: error: {what}: run `sekisho login --server "
            f"{credential_cache.normalised(server)}{provider}`",
            err=True,
        )
        raise SystemExit(1)
    click.echo(json.dumps(_told(found)))


def _told(found: Credential) -> dict[str, object]:
    status = {"token": found.token}
    if found.expires_at is not None:
        ends = found.expires_at.astimezone(UTC)
        status["expirationTimestamp"] = ends.strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"apiVersion": _version(), "kind": "ExecCredential", "status": status}


def _version() -> str:
    try:
        asked = json.loads(os.environ.get("KUBERNETES_EXEC_INFO", "{}")).get("apiVersion")
    except (ValueError, AttributeError):
        asked = None
    return asked if asked in VERSIONS else VERSIONS[0]


def _renewed(server: str) -> Credential | None:
    """The credential, renewed by this process or by one that was quicker; else as it is."""
    with credential_cache.alone(server):
        found = credential_cache.load(server)
        if found is None or not found.due:
            return found
        import asyncio

        return asyncio.run(_renew(found))


async def _renew(found: Credential) -> Credential:
    from proxy.cli.common import Failed
    from proxy.cli.server_client import ServerClient
    from proxy.cli.sign_in_answer import credential_of

    client = ServerClient(found.server, found.ca_pem, RENEWAL_SECONDS)
    try:
        reply = await client.post_form(
            "/v1/token", grant_type="refresh_token", refresh_token=found.token
        )
        if reply.status == 200:
            fresh = credential_of(
                reply.data, server=found.server, provider=found.provider, ca_pem=found.ca_pem
            )
        elif reply.error == "invalid_grant":
            # Asked once: what is left of it may be used, if the server still takes it.
            fresh = replace(found, renewable_until=None)
        else:
            return found
    except Failed:
        return found  # the server can't be reached; the token lives on for a while
    credential_cache.save(fresh)
    return fresh
