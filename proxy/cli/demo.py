"""``sekisho demo``: everything at once, on this machine, for a look."""

import click

from proxy.cli.common import Failed, one_line_errors


@click.command()
@one_line_errors
def demo() -> None:
    """Start a cluster and Sekisho in front of it; Ctrl-C stops and removes both."""
    import uvloop

    from proxy.demo.assets import AssetsMissing
    from proxy.demo.processes import ComponentError
    from proxy.demo.show import show

    def say(line: str) -> None:
        prefix = "   " if line.startswith("  ") else "==>"
        click.echo(f"{prefix} {line.strip()}")

    try:
        uvloop.run(show(say))
    except KeyboardInterrupt:
        click.echo("stopped before everything was up; nothing is left")
    except (AssetsMissing, ComponentError, RuntimeError) as exc:
        raise Failed(str(exc)) from None
