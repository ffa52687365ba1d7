"""``sekisho admin token``: API tokens, in the store."""

import click

from proxy.cli.admin.database import offline_store
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
from proxy.cli.durations import DURATION, Ttl


@click.group(cls=CommandGroup)
def token() -> None:
    """Create, list and revoke API tokens."""


@token.command()
@click.option("--user", "user_name", required=True, help="Owner: id, username or principal.")
@click.option("--cluster", "clusters", multiple=True, help="Limit it to this cluster. Repeatable.")
@click.option("--ttl", type=DURATION, help="Lifetime: 30m, 8h, 90d.")
@click.option("--read-only", is_flag=True, help="Allow reading only.")
@click.option(
    "--proxy-read",
    is_flag=True,
    help="Allow reading only, including pages of services and pods and metrics of nodes (GET on "
    "their proxy).",
)
@click.option("--description", default="", help="What the token is for.")
@output_option
@config_option
@one_line_errors
@run_async
async def create(
    user_name: str,
    clusters: tuple[str, ...],
    ttl: Ttl,
    read_only: bool,
    proxy_read: bool,
    description: str,
    output: str,
    config_file: str | None,
) -> None:
    """Create a token and print it. It is shown only once."""
    from management.api.v1.tokens import token_json
    from management.clusters.lookup import find_cluster
    from management.identity.subjects import find_user
    from management.identity.tokens import TokenIssuer, TokenSpec, TtlTooLong, token_lifetimes

    async with offline_store(config_file) as (settings, store):
        found = await find_user(store, user_name)
        ids = [(await find_cluster(store, name)).id for name in clusters]
        try:
            issued = await TokenIssuer(store.tokens, token_lifetimes(settings)).issue(
                found,
                TokenSpec(
                    kind="token",
                    ttl=ttl,
                    clusters=ids,
                    read_only=read_only,
                    proxy_read=proxy_read,
                    description=description or "created on the command line",
                ),
            )
        except TtlTooLong as exc:
            raise CommandFailed(f"--ttl: {exc} (tokens.max_ttl)") from None
    if output == "json":
        print_json({"token": issued.bearer, **token_json(issued.token)})
    else:
        click.echo(issued.bearer)


@token.command("list")
@click.option("--user", "user_name", required=True, help="Owner: id, username or principal.")
@output_option
@config_option
@one_line_errors
@run_async
async def list_tokens(user_name: str, output: str, config_file: str | None) -> None:
    """List a user's tokens, newest first."""
    from management.api.v1.tokens import token_json
    from management.identity.subjects import find_user

    async with offline_store(config_file) as (_, store):
        tokens = await store.tokens.list_for((await find_user(store, user_name)).id)
    if output == "json":
        print_json([token_json(one) for one in tokens])
        return
    print_table(
        ["NAME", "CREATED", "EXPIRES", "LAST USED", "CLUSTERS", "READ-ONLY", "DESCRIPTION"],
        [
            (
                one.name,
                f"{one.created_at:%Y-%m-%d %H:%M}",
                f"{one.expires_at:%Y-%m-%d %H:%M}" if one.expires_at else "never",
                f"{one.last_used_at:%Y-%m-%d %H:%M}" if one.last_used_at else "never",
                " ".join(one.clusters) or "all",
                "with pages" if one.proxy_read else "yes" if one.read_only else "no",
                one.description,
            )
            for one in tokens
        ],
    )


@token.command()
@click.argument("name")
@config_option
@one_line_errors
@run_async
async def revoke(name: str, config_file: str | None) -> None:
    """Revoke the token called NAME (the part before the colon)."""
    async with offline_store(config_file) as (_, store):
        if not await store.tokens.revoke(name.partition(":")[0]):
            raise CommandFailed(f'there is no token "{name.partition(":")[0]}"')
    click.echo(f"revoked {name.partition(':')[0]}")
