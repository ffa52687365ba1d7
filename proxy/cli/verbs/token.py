"""``sekisho token``: your API tokens at a server."""

import click

from proxy.cli.client.name_completion import CLUSTERS, PROJECTS
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import Item, ServerSession, path_of
from proxy.cli.command_group import CommandGroup
from proxy.cli.durations import DURATION, Ttl
from proxy.cli.output.columns import Column, Kind, age_of, time_of
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.prompts import confirmed
from proxy.cli.verbs.listing import Filter, Listing, list_command
from proxy.cli.verbs.lookup import find_project
from proxy.cli.verbs.options import moved_option, yes_option


def _scope(item: Item) -> str:
    return "with pages" if item["proxy_read"] else "yes" if item["read_only"] else "no"


TOKEN = Kind(
    "token",
    (
        Column("NAME", "name"),
        Column("KIND", "kind", wide=True),  # The name begins with it.
        Column("EXPIRES", time_of("expires_at", "never")),
        Column("LAST USED", age_of("last_used_at", "never")),
        Column("CLUSTERS", lambda item: item["clusters"] or "all"),
        Column("READ-ONLY", _scope),
        Column("DESCRIPTION", "description"),
        Column("CREATED", time_of("created_at"), wide=True),
        Column("PROJECTS", "projects", wide=True),
        Column("PRINCIPAL", "principal", wide=True),
        Column("PARENT", "parent", wide=True),
    ),
    key="name",
)

KINDS = ("token", "session", "kubeconfig")

TOKENS = Listing(
    TOKEN,
    "/v1/tokens",
    sorts=("-created_at", "name", "last_used_at", "expires_at"),
    filters=(
        Filter("kind", "List only tokens of this kind.", choices=KINDS),
        Filter("expired", "List only expired tokens, or only others.", choices=("true", "false")),
    ),
)


@click.group(cls=CommandGroup)
def token() -> None:
    """Work with your API tokens."""


token.add_command(list_command(TOKENS, "List your tokens and sessions, newest first."))


@token.command()
@click.option(
    "--cluster",
    "clusters",
    multiple=True,
    help="Limit it to this cluster. Repeatable.",
    shell_complete=CLUSTERS,
)
@click.option(
    "--project",
    "projects",
    multiple=True,
    help="Limit it to this project. Repeatable.",
    shell_complete=PROJECTS,
)
@click.option("--ttl", type=DURATION, help="Lifetime: 30m, 8h, 90d.")
@click.option("--read-only", is_flag=True, help="Allow reading only.")
@click.option(
    "--proxy-read",
    is_flag=True,
    help="Allow reading only, including pages of services and pods and metrics of nodes (GET on "
    "their proxy).",
)
@click.option("--description", default="", help="What the token is for.")
@moved_option("--user", to="token create")
@server_command
@printed
async def create(
    session: ServerSession,
    printer: Printer,
    clusters: tuple[str, ...],
    projects: tuple[str, ...],
    ttl: Ttl,
    read_only: bool,
    proxy_read: bool,
    description: str,
) -> None:
    """Create a token and print it, and nothing else. It is shown only once."""
    body = {
        "clusters": list(clusters),
        "projects": [(await find_project(session, one))["id"] for one in projects],
        "ttl": f"{int(ttl.total_seconds())}s" if ttl is not None else None,
        "read_only": read_only,
        "proxy_read": proxy_read,
        "description": description or "created on the command line",
    }
    made = (await session.send("POST", "/v1/tokens", body)).data
    printer.done(str(made["token"]), TOKEN, made)


@token.command()
@click.argument("name", metavar="[TOKEN]", required=False)
@click.option("--all", "everything", is_flag=True, help="Revoke all but the one in use.")
@yes_option
@server_command
async def revoke(session: ServerSession, name: str | None, everything: bool, yes: bool) -> None:
    """Revoke a token (the part before the colon), and all that was made with it."""
    if (name is None) != everything:
        raise click.UsageError("give either TOKEN or --all")
    if name is None:
        confirmed("This revokes all your tokens, kubeconfigs and other sessions.", yes=yes)
        answer = await session.send("DELETE", "/v1/me/tokens")
        click.echo(f"revoked {answer.data['revoked']} tokens and sessions")
        return
    short = name.partition(":")[0]
    await session.send("DELETE", path_of("tokens", short))
    click.echo(f"revoked {short}")
