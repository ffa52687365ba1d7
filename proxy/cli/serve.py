"""``sekisho serve``: run the server."""

import os

import click

from proxy.cli.common import config_option, one_line_errors


@click.command()
@config_option
@one_line_errors
def serve(config_file: str | None) -> None:
    """Run the server until SIGTERM or Ctrl-C."""
    import uvloop

    from proxy.serving import serve as run
    from proxy.startup_settings import load_everything

    everything = load_everything(config_file, os.environ)
    uvloop.run(run(everything))
