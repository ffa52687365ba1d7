"""``sekisho role``: roles, built-in and your own."""

from pathlib import Path
from typing import Any

import click

from proxy.cli.client.name_completion import ROLES
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import Item, ServerSession, path_of
from proxy.cli.command_group import CommandGroup
from proxy.cli.common import CommandFailed
from proxy.cli.output.columns import Column, Kind
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.prompts import confirmed
from proxy.cli.verbs.changes import change_and_print, delete_and_print
from proxy.cli.verbs.listing import Filter, Listing, list_command
from proxy.cli.verbs.options import given, read_object, require_change, yes_option


def _rules(item: Item) -> str:
    return "; ".join(rule_text(one) for one in item["effective"]["rules"])


def rule_text(rule: Item) -> str:
    """Return a rule of RBAC in a few words: ``get, list pods, deployments.apps``."""
    verbs = ", ".join(rule["verbs"])
    if rule["non_resource_urls"]:
        return f"{verbs} {', '.join(rule['non_resource_urls'])}"
    things = ", ".join(
        f"{resource}.{group}" if group else str(resource)
        for resource in rule["resources"]
        for group in rule["api_groups"]
    )
    names = f" named {', '.join(rule['resource_names'])}" if rule["resource_names"] else ""
    return f"{verbs} {things}{names}"


ROLE = Kind(
    "role",
    (
        Column("NAME", "name"),
        Column("SCOPE", "scope"),
        Column("BUILT-IN", "built_in"),
        Column("DESCRIPTION", "description"),
        Column("ID", "id", wide=True),
        Column("PERMISSIONS", lambda item: item["effective"]["permissions"], wide=True),
        Column("CLUSTER ROLES", lambda item: item["effective"]["cluster_roles"], wide=True),
        Column("RULES", _rules, wide=True),
        Column("INHERITS", "inherits", wide=True),
    ),
)

SCOPES = ("global", "cluster", "project")

LIST = Listing(
    ROLE,
    "/v1/roles",
    sorts=("name", "id", "scope"),
    filters=(
        Filter("scope", "List only roles of this scope.", choices=SCOPES),
        Filter("name", "List only roles with this name."),
        Filter(
            "built-in", "List only built-in roles, or only others.", "built_in", ("true", "false")
        ),
    ),
)


@click.group(cls=CommandGroup)
def role() -> None:
    """Work with roles: what their holders may do."""


role.add_command(list_command(LIST, "List roles."))

_scope = click.option(
    "--scope", type=click.Choice(SCOPES), help="The scope, if roles of several have that name."
)


def _with_fields(command: Any) -> Any:
    for option in reversed(
        (
            click.option("--description", help="What the role is for."),
            click.option("--permission", "permissions", multiple=True, help="Of Sekisho."),
            click.option("--cluster-role", "cluster_roles", multiple=True, help="Of clusters."),
            click.option("--inherit", "inherits", multiple=True, help="A role that it includes."),
            click.option("--verb", "verbs", multiple=True, help="Of a rule: get, list. With:"),
            click.option(
                "--resource", "resources", multiple=True, help="pods, or deployments.apps."
            ),
            click.option(
                "-f",
                "--file",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="Read fields from a YAML or JSON file, such as several rules.",
            ),
        )
    ):
        command = option(command)
    return command


def _body(
    file: Path | None,
    verbs: tuple[str, ...],
    resources: tuple[str, ...],
    **fields: object,
) -> dict[str, object]:
    body: dict[str, object] = read_object(file) if file is not None else {}
    body |= {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in given(**fields).items()
    }
    if bool(verbs) != bool(resources):
        raise click.UsageError("a rule needs --verb and --resource")
    if verbs:
        body["rules"] = rules_of(verbs, resources)
    return body


def rules_of(verbs: tuple[str, ...], resources: tuple[str, ...]) -> list[dict[str, object]]:
    """Return rules for resources as kubectl names them, one rule for each API group."""
    listed = [part for one in verbs for part in one.split(",") if part]
    groups: dict[str, list[str]] = {}
    for one in resources:
        for part in one.split(","):
            name, slash, subresource = part.partition("/")
            resource, _, group = name.partition(".")
            if resource:
                groups.setdefault(group, []).append(resource + slash + subresource)
    return [
        {"verbs": listed, "api_groups": [group], "resources": inside}
        for group, inside in groups.items()
    ]


@role.command()
@click.argument("name", metavar="ROLE", shell_complete=ROLES)
@_scope
@server_command
@printed
async def show(session: ServerSession, printer: Printer, name: str, scope: str | None) -> None:
    """Show a role, by name or id, with all that it grants."""
    printer.one(ROLE, await find_role(session, name, scope))


@role.command()
@click.argument("name")
@click.option("--scope", type=click.Choice(SCOPES), required=True, help="Where it is held.")
@_with_fields
@server_command
@printed
async def create(
    session: ServerSession, printer: Printer, name: str, scope: str, **fields: Any
) -> None:
    """Create a role. It may grant only what you hold yourself."""
    body = {**_body(**fields), "name": name, "scope": scope}
    made = (await session.send("POST", "/v1/roles", body)).data
    printer.done(f"created role {name} ({made['id']})", ROLE, made)


@role.command()
@click.argument("role_name", metavar="ROLE", shell_complete=ROLES)
@_scope
@click.option("--name", help="A new name.")
@_with_fields
@server_command
@printed
async def edit(
    session: ServerSession, printer: Printer, role_name: str, scope: str | None, **fields: Any
) -> None:
    """Change a role for all who hold it. What you give replaces what was there before."""
    body = _body(**fields)
    require_change(body)
    found = await find_role(session, role_name, scope)
    before = await session.read(path_of("roles", str(found["id"])))
    await change_and_print(session, printer, ROLE, before, body)


@role.command()
@click.argument("name", metavar="ROLE", shell_complete=ROLES)
@_scope
@yes_option
@server_command
async def delete(session: ServerSession, name: str, scope: str | None, yes: bool) -> None:
    """Delete a role that is not built in. All who hold it lose it."""
    found = await find_role(session, name, scope)
    before = await session.read(path_of("roles", str(found["id"])))
    what = f"{found['scope']} role {found['name']}"
    confirmed(f"This deletes the {what}; all who hold it lose what it grants.", yes=yes)
    await delete_and_print(session, ROLE, before)


async def find_role(session: ServerSession, name: str, scope: str | None = None) -> Item:
    """Return the role with that id or name. Raises CommandFailed if several match."""
    found = [
        one
        async for one in session.list("/v1/roles", scope=scope)
        if name in {one["id"], one["name"]}
    ]
    exact = [one for one in found if one["id"] == name]
    found = exact or found
    if len(found) == 1:
        return found[0]
    if not found:
        raise CommandFailed(f'role "{name}" not found; see `sekisho role list`')
    shown = ", ".join(f"{one['scope']} ({one['id']})" for one in found)
    raise CommandFailed(f'several roles are called "{name}": add --scope, one of {shown}')
