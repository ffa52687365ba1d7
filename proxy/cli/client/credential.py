"""``sekisho credential``: client-go's exec plugin, in all cases that are not the usual one.

:mod:`~proxy.cli.client.cached_token` prints a stored token that is good, without this module.
"""

import os
from dataclasses import replace
from datetime import UTC
from typing import NoReturn

import click

from proxy.cli.client import credential_cache
from proxy.cli.client.cached_token import exec_credential
from proxy.cli.client.credential_cache import Credential
from proxy.cli.common import fail, one_line_errors, reason, warn

RENEWAL_SECONDS = 10.0
"""How long a renewal may take while kubectl waits."""


@click.command()
@click.option("--server", required=True, help="Sekisho's URL.")
@click.option("-c", "--config", metavar="FILE", expose_value=False, hidden=True)
@one_line_errors
def credential(server: str) -> None:
    """Print the signed-in credential for kubectl (client.authentication.k8s.io/v1)."""
    found = credential_cache.load(server)
    if found is not None and found.due:
        found = renewed(server)
    if found is None:
        _sign_in("you are not signed in", server)
    if not found.usable:
        # Expired by this machine's clock, which may be wrong: the server decides.
        import asyncio

        found = asyncio.run(_confirmed(found))
    click.echo(_exec_credential(found))


def _sign_in(what: str, server: str, provider: str = "") -> NoReturn:
    where = credential_cache.normalised(server)
    more = f" --provider {provider}" if provider else ""
    fail(f"{what}: run `sekisho login --server {where}{more}`")


def _exec_credential(found: Credential) -> str:
    ends = None
    if found.expires_at is not None:
        # client-go compares it with this machine's clock.
        local = (found.expires_at - found.clock_offset).astimezone(UTC)
        ends = local.strftime("%Y-%m-%dT%H:%M:%SZ")
    return exec_credential(found.token, ends, os.environ)


def renewed(server: str) -> Credential | None:
    """Return the credential, renewed by this process or by another one that was faster.

    It is not renewed if its folder can't be written: a renewal revokes the old token, and the new
    one would be lost.
    """
    try:
        with credential_cache.alone(server):
            found = credential_cache.load(server)
            if found is None or not found.due:
                return found
            credential_cache.save(found)
            import asyncio

            return asyncio.run(_renew(found))
    except OSError as exc:
        warn(
            f"the sign-in can't be renewed: {credential_cache.folder()} can't be written "
            f"({reason(exc)})"
        )
        return credential_cache.load(server)


async def _confirmed(found: Credential) -> Credential:
    """Return an expired credential if the server accepts it; else exit with an error."""
    from proxy.cli.client.clock import clock_warning
    from proxy.cli.client.server_client import ServerClient, Unreachable

    client = ServerClient(found.server, found.ca_pem, RENEWAL_SECONDS)
    try:
        reply = await client.get("/v1/me", token=found.token)
    except Unreachable as exc:
        why = f"your sign-in has expired by this machine's clock, and {exc}"
        _sign_in(why, found.server, found.provider)
    if reply.status == 401:
        _sign_in("your sign-in has expired", found.server, found.provider)
    if reply.status != 200 or not isinstance(reply.data.get("id"), str):
        why = f"your sign-in has expired by this machine's clock, and {reply.refusal}"
        _sign_in(why, found.server, found.provider)
    good = replace(found, clock_offset=reply.clock_offset)
    if good.clock_offset:
        warn(clock_warning(good.clock_offset))
    if not good.usable:
        # Expired by both clocks, and accepted: its expiry is unknown.
        good = replace(good, expires_at=None)
    return good


async def _renew(found: Credential) -> Credential:
    from proxy.cli.client.server_client import ServerClient
    from proxy.cli.client.sign_in_response import credential_of
    from proxy.cli.common import CommandFailed

    client = ServerClient(found.server, found.ca_pem, RENEWAL_SECONDS)
    try:
        reply = await client.post_form(
            "/v1/token", grant_type="refresh_token", refresh_token=found.token
        )
        if reply.status == 200:
            fresh = credential_of(
                reply, server=found.server, provider=found.provider, ca_pem=found.ca_pem
            )
        elif reply.error == "invalid_grant":
            # Not renewable: use it as long as the server accepts it, and do not try again.
            fresh = replace(found, renewable_until=None)
        else:
            return found
    except CommandFailed:
        return found  # the server can't be reached; the token is still valid
    try:
        credential_cache.save(fresh)
    except OSError as exc:
        warn(f"the renewed sign-in can't be kept in {credential_cache.folder()}: {reason(exc)}")
    return fresh
