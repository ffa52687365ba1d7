"""``sekisho serve``: run the server."""

import asyncio
import os
import sys
from typing import TYPE_CHECKING

import click

from proxy.cli.common import config_option, one_line_errors

if TYPE_CHECKING:
    from proxy.startup_settings import Everything

LEFT_SECONDS = 3.0
"""How long the end may still take once everything is closed."""


@click.command()
@config_option
@one_line_errors
def serve(config_file: str | None) -> None:
    """Run the server until SIGTERM or Ctrl-C."""
    import uvloop

    from proxy.startup_settings import load_everything

    uvloop.run(_serve(load_everything(config_file, os.environ)))


async def _serve(everything: "Everything") -> None:
    from proxy.serving import serve as run

    await run(everything)
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others and (await asyncio.wait(others, timeout=LEFT_SECONDS))[1]:
        # A database that hangs holds them, for as long as its drivers wait; all that was to be
        # written and told has been. Whoever stopped us shall not have to kill us.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
