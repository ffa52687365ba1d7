"""``sekisho cluster agent``, ``reach`` and ``rotate-agent-token``: the agent of a cluster."""

from pathlib import Path
from typing import Any

import click

from proxy.cli.client.name_completion import CLUSTERS
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import ServerSession, path_of
from proxy.cli.verbs.agent_options import agent_body, agent_options
from proxy.cli.verbs.sent_kubeconfig import sent_kubeconfig

_cluster = click.argument("name", metavar="CLUSTER", shell_complete=CLUSTERS)


@click.command()
@_cluster
@agent_options
@server_command
async def agent(session: ServerSession, name: str, **options: Any) -> None:
    """Print a manifest of the agent, with a new token, for `kubectl apply -f -`.

    For a cluster that Sekisho reaches directly until now, or to change the agent's options. See
    also `sekisho cluster reach`.
    """
    answer = await session.send("POST", path_of("clusters", name, "agent"), agent_body(**options))
    click.echo(answer.body.decode(), nl=False)


@click.command()
@_cluster
@click.argument("way", type=click.Choice(["agent", "direct"]))
@click.option(
    "--api-server", "servers", multiple=True, metavar="URL", help="With direct: its API servers."
)
@click.option(
    "--kubeconfig",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="An administrator's kubeconfig, which direct needs. Not stored.",
)
@click.option("--context", metavar="NAME", help="Its context. Default: the current one.")
@server_command
async def reach(
    session: ServerSession,
    name: str,
    way: str,
    servers: tuple[str, ...],
    kubeconfig: Path | None,
    context: str | None,
) -> None:
    """Change how Sekisho reaches a cluster. Its id, members and kubeconfigs stay.

    agent: through its agent, which must be connected (`sekisho cluster agent`). direct: at an
    address, which needs an administrator's kubeconfig. Sekisho then removes the agent.
    """
    body: dict[str, object] = {"reach": way}
    if way == "direct" and kubeconfig is None:
        raise click.UsageError("direct needs --kubeconfig FILE of an administrator of the cluster")
    if kubeconfig is not None:
        body["kubeconfig"] = sent_kubeconfig(kubeconfig, context)
    if servers:
        body["servers"] = list(servers)
    path = path_of("clusters", name)
    before = await session.read(path)
    changed = (await session.send("PATCH", path, body, if_match=before.etag)).data
    ways = {"agent": "through its agent", "direct": "directly"}
    click.echo(f"cluster {changed['name']} ({changed['id']}) is reached {ways[way]}")


@click.command("rotate-agent-token")
@_cluster
@server_command
async def rotate_agent_token(session: ServerSession, name: str) -> None:
    """Give the cluster's agents a new token.

    The agent's pods restart one by one. The former token is revoked ten minutes later.
    """
    await session.send("POST", path_of("clusters", name, "agent", "token"))
    click.echo("the agents have a new token; the former one is revoked in ten minutes")
