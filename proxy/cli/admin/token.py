"""``sekisho token``: API tokens, on the store."""

import click

from proxy.cli.common import (
    Failed,
    config_option,
    offline_store,
    one_line_errors,
    output_option,
    print_json,
    print_table,
    run_async,
)
from proxy.cli.durations import DURATION, Ttl


@click.group()
def token() -> None:
    """Make, list and revoke API tokens."""


@token.command()
@click.option("--user", "user_name", required=True, help="Whose: id, name or principal.")
@click.option("--cluster", "clusters", multiple=True, help="Only for this cluster; repeatable.")
@click.option("--ttl", type=DURATION, help="How long it lives: 30m, 8h, 90d.")
@click.option("--read-only", is_flag=True, help="For reading only.")
@click.option("--description", default="", help="What it is for.")
@output_option
@config_option
@one_line_errors
@run_async
async def create(
    user_name: str,
    clusters: tuple[str, ...],
    ttl: Ttl,
    read_only: bool,
    description: str,
    output: str,
    config_file: str | None,
) -> None:
    """Make a token and print it, alone. It can't be shown again."""
    from management.cluster_records import find_cluster
    from management.subjects import find_user
    from management.token_endpoints import token_json
    from management.tokens import TokenService, TtlTooLong
    from proxy.lifetimes import lifetimes

    async with offline_store(config_file) as (settings, store):
        found = await find_user(store, user_name)
        ids = [(await find_cluster(store, name)).id for name in clusters]
        try:
            issued = await TokenService(store.tokens, lifetimes(settings)).issue(
                found,
                kind="token",
                ttl=ttl,
                clusters=ids,
                read_only=read_only,
                description=description or "made on the command line",
            )
        except TtlTooLong as exc:
            raise Failed(f"--ttl: {exc} (tokens.max_ttl)") from None
    if output == "json":
        print_json({"token": issued.bearer, **token_json(issued.token)})
    else:
        click.echo(issued.bearer)


@token.command("list")
@click.option("--user", "user_name", required=True, help="Whose: id, name or principal.")
@output_option
@config_option
@one_line_errors
@run_async
async def list_tokens(user_name: str, output: str, config_file: str | None) -> None:
    """List a user's tokens, newest first."""
    from management.subjects import find_user
    from management.token_endpoints import token_json

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
                "yes" if one.read_only else "no",
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
            raise Failed(f'there is no token "{name.partition(":")[0]}"')
    click.echo(f"revoked {name.partition(':')[0]}")
