"""``sekisho user``: users, on the store."""

import asyncio
from dataclasses import replace

import click

from proxy.cli.common import (
    Failed,
    config_option,
    offline_store,
    one_line_errors,
    output_option,
    print_json,
    print_table,
    read_password,
    run_async,
)
from proxy.cli.principal import provider_of
from store.interfaces import Conflict, Principal, Store, User


@click.group()
def user() -> None:
    """Make, list and change users."""


_STDIN_HELP = "Read the password from standard input."
_password_stdin = click.option("--password-stdin", is_flag=True, required=True, help=_STDIN_HELP)


@user.command()
@click.argument("name")
@click.option("--admin", is_flag=True, help="An administrator: enters every cluster.")
@click.option("--display-name", default="", help="For people. Default: the name.")
@click.option("--password-stdin", is_flag=True, help=_STDIN_HELP)
@click.option("--principal", help="Who will sign in elsewhere: github_user://42, oidc_ci_user://7.")
@click.option("--provider", help="Whose principal it is, where that isn't clear.")
@output_option
@config_option
@one_line_errors
@run_async
async def create(
    name: str,
    admin: bool,
    display_name: str,
    password_stdin: bool,
    principal: str | None,
    provider: str | None,
    output: str,
    config_file: str | None,
) -> None:
    """Make a user called NAME: local, or one that another provider will vouch for."""
    from management.users import checked_username, new_user, vouched_name

    if password_stdin == (principal is not None):
        raise click.UsageError("give either --password-stdin or --principal")
    async with offline_store(config_file) as (settings, store):
        try:
            (vouched_name if principal is not None else checked_username)(name)
        except ValueError as exc:
            raise Failed(str(exc)) from None
        made = new_user(name, display_name=display_name, administrator=admin)
        password_hash = None
        if principal is not None:
            theirs = provider or await provider_of(store, config_file, principal)
            made = replace(made, principals=(Principal(principal, theirs, name),))
        else:
            password_hash = await _hash(read_password(), settings.login.password_min_length)
        try:
            await store.users.create(made, password_hash=password_hash)
        except Conflict:
            raise Failed(f'there is a user who signs in as "{principal or name}" already') from None
    if output == "json":
        print_json(_json(made))
    else:
        click.echo(f"made user {name} ({made.id}){', an administrator' if admin else ''}")


@user.command("list")
@output_option
@config_option
@one_line_errors
@run_async
async def list_users(output: str, config_file: str | None) -> None:
    """List users."""
    async with offline_store(config_file) as (_, store):
        users = await store.users.list_all()
    if output == "json":
        print_json([_json(one) for one in users])
        return
    print_table(
        ["NAME", "ID", "ENABLED", "ADMINISTRATOR", "PRINCIPALS"],
        [
            (
                one.username,
                one.id,
                "yes" if one.enabled else "no",
                "yes" if one.administrator else "no",
                " ".join(principal.id for principal in one.principals),
            )
            for one in users
        ],
    )


@user.command()
@click.argument("name")
@config_option
@one_line_errors
@run_async
async def disable(name: str, config_file: str | None) -> None:
    """Keep NAME out, tokens and running sessions included."""
    await _update(name, config_file, enabled=False)


@user.command()
@click.argument("name")
@config_option
@one_line_errors
@run_async
async def enable(name: str, config_file: str | None) -> None:
    """Let NAME in again."""
    await _update(name, config_file, enabled=True)


@user.command()
@click.argument("name")
@config_option
@one_line_errors
@run_async
async def delete(name: str, config_file: str | None) -> None:
    """Delete NAME with tokens and grants. The server takes bindings in clusters away."""
    from management.subjects import find_user

    async with offline_store(config_file) as (_, store):
        found = await find_user(store, name)
        await store.users.delete(found.id, even_last=True)
        await _warn_if_nobody_is_left(store)
    click.echo(f"deleted user {found.username} ({found.id})")


@user.command("set-password")
@click.argument("name")
@click.option("--revoke-tokens", is_flag=True, help="End NAME's API tokens and kubeconfigs, too.")
@_password_stdin
@config_option
@one_line_errors
@run_async
async def set_password(
    name: str, revoke_tokens: bool, password_stdin: bool, config_file: str | None
) -> None:
    """Set NAME's password; NAME's sessions end."""
    from management.accounts import end_sign_ins
    from management.subjects import find_user

    async with offline_store(config_file) as (settings, store):
        found = await find_user(store, name)
        mine = next((one for one in found.principals if one.provider == "local"), None)
        if mine is None:
            raise Failed(
                f"{found.username} signs in through another provider, which keeps the password"
            )
        password_hash = await _hash(read_password(), settings.login.password_min_length)
        await store.users.set_password(found.id, mine.name, password_hash)
        ended = await end_sign_ins(store, found.id, tokens=revoke_tokens)
    click.echo(f"set the password of {found.username} ({found.id}); {ended} sign-ins ended")


async def _update(name: str, config_file: str | None, *, enabled: bool) -> None:
    from management.subjects import find_user

    async with offline_store(config_file) as (_, store):
        found = await find_user(store, name)
        await store.users.update(found.id, enabled=enabled, even_last=True)
        await _warn_if_nobody_is_left(store)
    click.echo(f"{'enabled' if enabled else 'disabled'} user {found.username} ({found.id})")


async def _warn_if_nobody_is_left(store: Store) -> None:
    """Whoever works on the store itself may take the last administrator away; the API can't."""
    if not await store.users.any_administrator():
        click.echo(
            "sekisho: warning: nobody administers Sekisho now; its next start makes an "
            "administrator and prints a password",
            err=True,
        )


async def _hash(password: str, min_length: int) -> str:
    from management.accounts import check_password
    from management.problems import Problem
    from providers.local import hash_password

    try:
        check_password(password, min_length=min_length)
    except Problem as exc:
        raise Failed(exc.detail) from None
    return await asyncio.to_thread(hash_password, password)


def _json(user: User) -> dict[str, object]:
    return {
        "id": user.id,
        "username": user.username,
        "display_name": user.display_name,
        "enabled": user.enabled,
        "administrator": user.administrator,
        "principals": [principal.id for principal in user.principals],
    }
