"""``sekisho serve``: run the server."""

import asyncio
import os
import sys
import traceback
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import click

from proxy import garbage
from proxy.cli.common import Failed, config_option, expected, fail, one_line_errors

if TYPE_CHECKING:
    from proxy.startup_settings import Everything

LEFT_SECONDS = 3.0
"""How long the end may still take once everything is closed."""


@click.command()
@config_option
@click.option("--worker", type=int, hidden=True, help="For Sekisho itself: be one of several.")
@one_line_errors
def serve(config_file: str | None, worker: int | None) -> None:
    """Run the server until SIGTERM or Ctrl-C."""
    garbage.hold_off()
    if worker is not None:
        _be_a_worker(worker, config_file)
        return

    from proxy.startup_settings import load_everything
    from proxy.usable_cpus import usable_cpus

    everything = load_everything(config_file, os.environ)
    workers = everything.settings.server.workers
    count = usable_cpus() if workers == "auto" else workers
    if count > 1:
        _supervise(everything, count)
        return

    import uvloop

    from proxy.serving import serve as run

    uvloop.run(_to_the_end(run(everything)))


def _supervise(everything: "Everything", count: int) -> None:
    from proxy.supervisor import supervise
    from proxy.worker_channel import WorkerFailed

    garbage.settle()
    try:
        asyncio.run(_to_the_end(supervise(everything, count)))
    except WorkerFailed as exc:
        click.echo(exc.trace, err=True, nl=False)
        fail(*exc.lines)


def _be_a_worker(number: int, config_file: str | None) -> None:
    """Serve as the process that started this one says, and tell it what keeps us from that."""
    from proxy.worker_channel import Supervisor

    try:
        supervisor = Supervisor()
    except OSError:
        raise Failed("--worker is for Sekisho itself; set server.workers instead") from None
    try:
        # All of it takes a while, in which the supervisor does what is done once.
        import uvloop

        from proxy.serving import serve_as_worker
        from proxy.startup_settings import load_everything

        assignment = supervisor.assignment()
        everything = load_everything(config_file, os.environ, kept=assignment.config)
        uvloop.run(_to_the_end(serve_as_worker(everything, assignment, supervisor.ready)))
    except Exception as exc:
        said = expected(exc)
        trace = "" if said else traceback.format_exc()
        if not supervisor.failed(said or (f"worker {number} doesn't start",), trace):
            raise
        sys.exit(1)


async def _to_the_end(serving: Coroutine[Any, Any, None]) -> None:
    """Serve, and leave nothing behind that would keep this process from ending."""
    await serving
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others and (await asyncio.wait(others, timeout=LEFT_SECONDS))[1]:
        # A database that hangs holds them, for as long as its drivers wait; all that was to be
        # written and told has been. Whoever stopped us shall not have to kill us.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
