"""``sekisho demo``: a trial of Sekisho with a cluster, on this machine."""

import click

from proxy.cli.common import one_line_errors


@click.command()
@click.option("--agent", is_flag=True, help="Reach the cluster through the tunnels of an agent.")
@one_line_errors
def demo(agent: bool) -> None:
    """Start a cluster and Sekisho in front of it. Ctrl-C stops and removes both."""
    import uvloop

    from proxy.demo.run import run_demo

    def say(line: str) -> None:
        prefix = "   " if line.startswith("  ") else "==>"
        click.echo(f"{prefix} {line.strip()}")

    try:
        uvloop.run(run_demo(say, agent=agent))
    except KeyboardInterrupt:
        click.echo("stopped during the start; everything is removed")
