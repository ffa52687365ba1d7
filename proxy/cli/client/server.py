"""``sekisho server``: the servers that you know, and the one in use."""

import click

from proxy.cli.client import credential_cache, known_servers
from proxy.cli.client.known_servers import KnownServer
from proxy.cli.command_group import CommandGroup
from proxy.cli.common import (
    CommandFailed,
    one_line_errors,
    output_option,
    print_json,
    print_table,
    unused_config_option,
)


@click.group(cls=CommandGroup)
def server() -> None:
    """List the servers that you know, and choose the one in use."""


@server.command("list")
@output_option
@unused_config_option
@one_line_errors
def list_servers(output: str) -> None:
    """List the servers that you know."""
    known = known_servers.load()
    listed = [_shown(one, current=one.name == known.current) for one in known.servers]
    if output == "json":
        print_json(listed)
        return
    print_table(
        ("", "NAME", "URL", "SIGNED IN"),
        [
            ("*" if one["current"] else "", one["name"], one["url"], one["signed_in"])
            for one in listed
        ],
    )


@server.command("use")
@click.argument("name", metavar="SERVER", shell_complete=known_servers.known_names)
@unused_config_option
@one_line_errors
def use(name: str) -> None:
    """Use SERVER (a name or URL) in commands without --server."""
    found = _known(name)
    known_servers.change(lambda known: known.using(found))
    click.echo(f"using {found.name} ({found.url})")


@server.command("remove")
@click.argument("name", metavar="SERVER", shell_complete=known_servers.known_names)
@unused_config_option
@one_line_errors
def remove(name: str) -> None:
    """Forget SERVER. If you are signed in there, sign out first."""
    found = _known(name)
    if credential_cache.load(found.url) is not None:
        raise CommandFailed(
            f"you are signed in to {found.name}: run `sekisho logout --server {found.name}` first"
        )
    known_servers.change(lambda known: known.without(found))
    click.echo(f"removed {found.name} ({found.url})")


def _known(name: str) -> KnownServer:
    """Return the server of that name or URL. Raises CommandFailed if it is not in the list."""
    found = known_servers.load().find(name)
    if found is None:
        raise CommandFailed(f'"{name}" is not a known server; see `sekisho server list`')
    return found


def _shown(one: KnownServer, *, current: bool) -> dict[str, object]:
    found = credential_cache.load(one.url)
    state = "no" if found is None else "yes" if found.usable else "expired"
    return {"name": one.name, "url": one.url, "current": current, "signed_in": state}
