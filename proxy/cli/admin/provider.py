"""``sekisho admin provider``: providers and the principals that they own, in the store."""

from typing import Any

import click

from proxy.cli.admin.database import offline_store
from proxy.cli.admin.principal import KnownProvider, known_providers
from proxy.cli.command_group import CommandGroup
from proxy.cli.common import (
    CommandFailed,
    config_option,
    one_line_errors,
    output_option,
    print_json,
    print_table,
    run_async,
)


@click.group(cls=CommandGroup)
def provider() -> None:
    """List providers, and confirm that they have the same users as before."""


@provider.command("list")
@output_option
@config_option
@one_line_errors
@run_async
async def list_providers(output: str, config_file: str | None) -> None:
    """List providers, including former ones, and the schemes of their principals."""
    async with offline_store(config_file) as (_, store):
        known = {one.name: one for one in await known_providers(store, config_file)}
        claims = {one.provider: one for one in await store.claims.list_all()}
        stored = {one.name: one.type for one in await store.providers.list_all()}
    rows: list[dict[str, Any]] = []
    for name in sorted({*known, *claims, *stored}):
        now, claim = known.get(name), claims.get(name)
        owned = sorted(claim.schemes.values()) if claim is not None else []
        if now is not None and now.accounts_of_the_store:
            owned = list(now.declared)
        rows.append(
            {
                "name": name,
                "type": now.type_name if now is not None else stored.get(name),
                "origin": _origin(now, stored=name in stored),
                "principals": owned,
                "backend": dict(claim.backend or {}) if claim is not None else {},
            }
        )
    if output == "json":
        print_json(rows)
        return
    print_table(
        ["NAME", "TYPE", "ORIGIN", "PRINCIPALS"],
        [
            (one["name"], one["type"] or "", one["origin"], " ".join(map(str, one["principals"])))
            for one in rows
        ],
    )


def _origin(now: KnownProvider | None, *, stored: bool) -> str:
    if now is not None:
        return now.origin
    return "store" if stored else "former"


@provider.command()
@click.argument("name")
@click.option("--from", "former", metavar="OLD", help="Take over the users of provider OLD.")
@config_option
@one_line_errors
@run_async
async def adopt(name: str, former: str | None, config_file: str | None) -> None:
    """Confirm that the known users of NAME are those of its present issuer or directory.

    Without this, a provider whose issuer or directory has changed doesn't start.
    """
    async with offline_store(config_file) as (_, store):
        known = {one.name: one for one in await known_providers(store, config_file)}
        found = known.get(name)
        stored = {one.name for one in await store.providers.list_all()}
        if former is not None and former in {*known, *stored}:
            raise CommandFailed(f"provider {former} still exists; remove it first")
        if found is None and name in stored:
            raise CommandFailed(
                f"the stored settings of provider {name} can't be used; see the server's log or "
                f"GET /v1/providers/{name}"
            )
        if found is None:
            raise CommandFailed(f"provider {name} doesn't exist; see `sekisho admin provider list`")
        if found.accounts_of_the_store:
            raise CommandFailed(
                f"the users of {name} are in Sekisho's store; there is nothing to confirm"
            )
        await store.claims.adopt(name, found.backend, found.declared, former=former)
    click.echo(f"confirmed: the principals of {name} belong to its present issuer or directory")
