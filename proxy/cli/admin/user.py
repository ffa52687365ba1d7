"""``sekisho admin user``: users, in the store."""

import asyncio
from dataclasses import replace

import click

from proxy.cli.admin.database import offline_store
from proxy.cli.admin.principal import owned_principal
from proxy.cli.command_group import CommandGroup
from proxy.cli.common import (
    CommandFailed,
    config_option,
    one_line_errors,
    output_option,
    print_json,
    print_table,
    read_password,
    run_async,
    warn,
)
from store.errors import Conflict
from store.interfaces import Store
from store.records import NewPassword, Principal, User


@click.group(cls=CommandGroup)
def user() -> None:
    """Create, list and change users."""


_STDIN_HELP = "Read the password from standard input."
_password_stdin = click.option("--password-stdin", is_flag=True, required=True, help=_STDIN_HELP)
_must_change = click.option(
    "--must-change",
    is_flag=True,
    help="Require a new password at the first sign-in. This one expires in 24 hours.",
)


@user.command()
@click.argument("name")
@click.option("--admin", is_flag=True, help="Make an administrator, who may enter every cluster.")
@click.option("--display-name", default="", help="Name to display. Default: NAME.")
@click.option("--password-stdin", is_flag=True, help=_STDIN_HELP)
@_must_change
@click.option(
    "--principal", help="Principal at another provider: github_user://42, oidc_ci_user://7."
)
@click.option("--provider", help="The principal's provider, if several may own it.")
@output_option
@config_option
@one_line_errors
@run_async
async def create(
    name: str,
    admin: bool,
    display_name: str,
    password_stdin: bool,
    must_change: bool,
    principal: str | None,
    provider: str | None,
    output: str,
    config_file: str | None,
) -> None:
    """Create a user called NAME, who signs in locally or through another provider."""
    from impersonation.display_names import trimmed
    from management.identity.users import checked_username, new_user, validated_external_username

    if must_change and not password_stdin:
        raise click.UsageError("--must-change is for --password-stdin")
    if password_stdin == (principal is not None):
        raise click.UsageError("give either --password-stdin or --principal")
    async with offline_store(config_file, create=True) as (settings, store):
        try:
            name = (validated_external_username if principal is not None else checked_username)(
                name
            )
        except ValueError as exc:
            raise CommandFailed(str(exc)) from None
        try:
            trimmed(display_name)
        except ValueError as exc:
            raise CommandFailed(f"a display name {exc}") from None
        made = new_user(name, display_name=display_name, administrator=admin)
        password = None
        if principal is not None:
            owner, principal = await owned_principal(store, config_file, principal, provider)
            made = replace(made, principals=(Principal(principal, owner, name),))
        else:
            hashed = await _hash(read_password(), settings.login.password_min_length)
            password = _password(name, hashed, must_change=must_change)
        try:
            await store.users.create(made, password=password)
        except Conflict:
            raise CommandFailed(
                f'a user who signs in as "{principal or name}" already exists'
            ) from None
    if output == "json":
        print_json(_json(made))
    else:
        click.echo(f"created user {name} ({made.id}){', an administrator' if admin else ''}")


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
    """Disable NAME. Tokens stop working, and running sessions end."""
    await _update(name, config_file, enabled=False)


@user.command()
@click.argument("name")
@config_option
@one_line_errors
@run_async
async def enable(name: str, config_file: str | None) -> None:
    """Enable NAME again."""
    await _update(name, config_file, enabled=True)


@user.command()
@click.argument("name")
@config_option
@one_line_errors
@run_async
async def delete(name: str, config_file: str | None) -> None:
    """Delete NAME with tokens and grants. The server deletes bindings in clusters."""
    from management.identity.subjects import find_user

    async with offline_store(config_file) as (_, store):
        found = await find_user(store, name)
        await store.users.delete(found.id, even_last=True)
        await _warn_without_administrator(store)
    click.echo(f"deleted user {found.username} ({found.id})")


@user.command("set-password")
@click.argument("name")
@click.option("--revoke-tokens", is_flag=True, help="Also revoke API tokens and kubeconfigs.")
@_password_stdin
@_must_change
@config_option
@one_line_errors
@run_async
async def set_password(
    name: str,
    revoke_tokens: bool,
    password_stdin: bool,
    must_change: bool,
    config_file: str | None,
) -> None:
    """Set the password of NAME. Sessions of NAME end."""
    from management.identity.subjects import find_user

    async with offline_store(config_file) as (settings, store):
        found = await find_user(store, name)
        local = next((one for one in found.principals if one.provider == "local"), None)
        if local is None:
            raise CommandFailed(
                f"{found.username} signs in through another provider; change the password there"
            )
        hashed = await _hash(read_password(), settings.login.password_min_length)
        password = replace(
            _password(local.name, hashed, must_change=must_change),
            ends="tokens" if revoke_tokens else "sessions",
        )
        ended = await store.users.set_password(found.id, password)
    click.echo(f"set the password of {found.username} ({found.id}); {ended} sign-ins ended")


async def _update(name: str, config_file: str | None, *, enabled: bool) -> None:
    from management.identity.subjects import find_user

    async with offline_store(config_file) as (_, store):
        found = await find_user(store, name)
        await store.users.update(found.id, enabled=enabled, even_last=True)
        await _warn_without_administrator(store)
    click.echo(f"{'enabled' if enabled else 'disabled'} user {found.username} ({found.id})")


async def _warn_without_administrator(store: Store) -> None:
    """Warn if no administrator is left. Commands may remove the last one; the API may not."""
    if not await store.users.any_administrator():
        warn("no enabled administrator is left; the next start creates one and prints its password")


async def _hash(password: str, min_length: int) -> str:
    from management.http.problem import ApiProblem
    from management.identity.local_passwords import check_password
    from providers.local import hash_password

    try:
        check_password(password, min_length=min_length)
    except ApiProblem as exc:
        raise CommandFailed(exc.detail) from None
    return await asyncio.to_thread(hash_password, password)


def _password(name: str, hashed: str, *, must_change: bool) -> NewPassword:
    """Return the password to store. It doesn't expire, unless it must be changed."""
    from management.identity.local_passwords import given_password

    return given_password(name, hashed) if must_change else NewPassword(name, hashed)


def _json(user: User) -> dict[str, object]:
    return {
        "id": user.id,
        "username": user.username,
        "display_name": user.display_name,
        "enabled": user.enabled,
        "administrator": user.administrator,
        "principals": [principal.id for principal in user.principals],
    }
