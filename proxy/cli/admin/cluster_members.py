"""``sekisho admin cluster grant`` and ``revoke``: roles of users in clusters."""

import click

from proxy.cli.admin.database import offline_store
from proxy.cli.common import (
    config_option,
    one_line_errors,
    output_option,
    print_json,
    run_async,
    warn,
)


@click.command()
@click.argument("name", metavar="CLUSTER")
@click.option("--user", required=True, metavar="NAME", help="Username, id or principal.")
@click.option("--role", required=True, help="owner, member, read-only, or a role that you created.")
@output_option
@config_option
@one_line_errors
@run_async
async def grant(name: str, user: str, role: str, output: str, config_file: str | None) -> None:
    """Give a user a role in a cluster, and bind the user in it.

    Owners are bound to cluster-admin, members to edit, others to view. The role replaces the user's
    former role.
    """
    from management.clusters.members import MemberService, RoleNotFound
    from management.identity.subjects import at_providers

    async with offline_store(config_file) as (_, store):
        try:
            granted = await MemberService(store).grant(name, user, role)
        except RoleNotFound as exc:
            raise click.UsageError(str(exc)) from None
    who, where = granted.holder, granted.cluster
    if granted.pending is not None:
        warn(f'not bound in "{where.name}" yet: {granted.pending}')
    if output == "json":
        principals = who.user.principals if who.user is not None else ()
        members = {"cluster": where.id, "user": who.id, "username": who.name}
        providers = {"providers": sorted({one.provider for one in principals})}
        held = {"role": granted.role.name, "bound": granted.bound}
        print_json({**members, **providers, **held})
    else:
        at = at_providers(who.user) if who.user is not None else ""
        click.echo(f'"{who.name}" ({who.id}{at}) may enter "{where.name}" as {granted.role.name}')


@click.command()
@click.argument("name", metavar="CLUSTER")
@click.option("--user", required=True, metavar="NAME", help="Username, id or principal.")
@output_option
@config_option
@one_line_errors
@run_async
async def revoke(name: str, user: str, output: str, config_file: str | None) -> None:
    """Remove a user's role in a cluster, and the binding in it."""
    from management.clusters.members import MemberService

    async with offline_store(config_file) as (_, store):
        revoked = await MemberService(store).revoke(name, user)
    who, where = revoked.holder, revoked.cluster
    if revoked.pending is not None:
        warn(f'still bound in "{where.name}": {revoked.pending}')
    if output == "json":
        print_json({"cluster": where.id, "user": who.id, "existed": revoked.existed})
    elif revoked.existed:
        click.echo(f'"{who.name}" ({who.id}) may no longer enter "{where.name}"')
    else:
        click.echo(f'"{who.name}" ({who.id}) had no grant for "{where.name}"')
