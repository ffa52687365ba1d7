"""``sekisho registration``: manifests with which clusters register themselves."""

from typing import Any

import click

from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import ServerSession
from proxy.cli.command_group import CommandGroup
from proxy.cli.verbs.agent_options import NAMES, agent_body, agent_options

USERNAME_MAPPINGS = ("id", "principal", "username")


@click.group(cls=CommandGroup)
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
                metavar="URL",
                help="URL of an API server as Sekisho reaches it. Repeatable.",
            ),
            click.option(
                "--agent",
                is_flag=True,
                help="Reach the cluster through an agent in it, which connects to Sekisho.",
            ),
            click.option("--tls-server-name", help="The name in the API servers' certificates."),
            click.option(
                "--username-mapping",
                type=click.Choice(USERNAME_MAPPINGS),
                help="The name by which the cluster knows users. Default: id.",
            ),
        )
    ):
        command = option(command)
    return agent_options(command)


async def _register(
    session: ServerSession, servers: tuple[str, ...], agent: bool, **fields: Any
) -> None:
    """Print a manifest for `kubectl apply -f -`, which registers the cluster as NAME.

    It is valid for an hour and works once. Sekisho connects to the API servers that you give. With
    --agent, the cluster connects to Sekisho instead, and the name is reserved for that hour.
    """
    if agent == bool(servers):
        raise click.UsageError("give --api-server URL, or --agent, and not both")
    if agent and fields["tls_server_name"] is not None:
        raise click.UsageError("--tls-server-name goes with --api-server")
    wrong = [NAMES[name] for name in NAMES if fields[name] and not agent]
    if wrong:
        raise click.UsageError(f"{wrong[0]} goes with --agent")
    body = agent_body(**fields)
    body |= {"reach": "agent"} if agent else {"servers": list(servers)}
    answer = await session.send("POST", "/v1/registrations", body)
    click.echo(answer.body.decode(), nl=False)


create = click.command("create")(_registering(server_command(_register)))
register = click.command("register")(_registering(server_command(_register)))
registration.add_command(create)
