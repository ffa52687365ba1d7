"""``sekisho registration``: manifests with which clusters register themselves."""

from typing import Any

import click

from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import ServerSession
from proxy.cli.verbs.options import given

USERNAME_MAPPINGS = ("id", "principal", "username")


@click.group()
def registration() -> None:
    """Let clusters register themselves."""


def _registering(command: Any) -> Any:
    for option in reversed(
        (
            click.argument("name"),
            click.option(
                "--api-server",
                "servers",
                multiple=True,
                required=True,
                metavar="URL",
                help="URL of an API server as Sekisho reaches it. Repeatable.",
            ),
            click.option("--tls-server-name", help="The name in the API servers' certificates."),
            click.option("--image", help="Sekisho's image, as the cluster can pull it."),
            click.option(
                "--username-mapping",
                type=click.Choice(USERNAME_MAPPINGS),
                help="The name by which the cluster knows users. Default: id.",
            ),
        )
    ):
        command = option(command)
    return command


async def _register(session: ServerSession, servers: tuple[str, ...], **fields: object) -> None:
    """Print a manifest for `kubectl apply -f -`, which registers the cluster as NAME.

    It is valid for an hour and works once.
    """
    body = {**given(**fields), "servers": list(servers)}
    answer = await session.send("POST", "/v1/registrations", body)
    click.echo(answer.body.decode(), nl=False)


create = click.command("create")(_registering(server_command(_register)))
register = click.command("register")(_registering(server_command(_register)))
registration.add_command(create)
