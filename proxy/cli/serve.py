"""``sekisho serve``: run the server."""

import asyncio
import os
import sys
import traceback
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any

import click

from proxy.background import memory
from proxy.cli.common import CommandFailed, config_option, expected, fail, one_line_errors

if TYPE_CHECKING:
    from proxy.startup.configuration import LoadedConfig

LEFT_SECONDS = 3.0
"""How long remaining tasks may take after everything is closed."""


@click.command()
@config_option
@click.option("--worker", type=int, hidden=True, help="For Sekisho itself: run as a worker.")
@one_line_errors
def serve(config_file: str | None, worker: int | None) -> None:
    """Run the server until SIGTERM or Ctrl-C."""
    memory.disable_gc_during_startup()
    if worker is not None:
        _run_worker(worker, config_file)
        return

    from proxy.limits.cpu_count import worker_count
    from proxy.startup.configuration import load_config

    everything = load_config(config_file, os.environ)
    count = worker_count(everything.settings.server.workers)
    if count > 1:
        _supervise(everything, count)
        return

    import uvloop

    from proxy.server.serve import serve as run

    uvloop.run(_run_to_end(run(everything)))


def _supervise(everything: "LoadedConfig", count: int) -> None:
    from proxy.workers.ipc import WorkerFailed
    from proxy.workers.supervisor import supervise

    memory.freeze_startup_objects()
    try:
        asyncio.run(_run_to_end(supervise(everything, count)))
    except WorkerFailed as exc:
        click.echo(exc.trace, err=True, nl=False)
        fail(*exc.lines)


def _run_worker(number: int, config_file: str | None) -> None:
    """Serve as a worker of the supervisor that started this process. Report failures to it."""
    from proxy.workers.ipc import SupervisorChannel

    try:
        supervisor = SupervisorChannel()
    except OSError:
        raise CommandFailed("--worker is for Sekisho itself; set server.workers instead") from None
    try:
        # These imports take a while. Meanwhile, the supervisor prepares the store.
        import uvloop

        from proxy.startup.configuration import load_config
        from proxy.workers.worker import serve_as_worker

        config = supervisor.config()
        everything = load_config(config_file, os.environ, kept=config.config)
        uvloop.run(_run_to_end(serve_as_worker(everything, config, supervisor.ready)))
    except Exception as exc:
        lines = expected(exc)
        trace = "" if lines else traceback.format_exc()
        if not supervisor.failed(lines or (f"worker {number} doesn't start",), trace):
            raise
        sys.exit(1)


async def _run_to_end(serving: Coroutine[Any, Any, None]) -> None:
    """Serve, then cancel all tasks that would keep this process running."""
    await serving
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if others and (await asyncio.wait(others, timeout=LEFT_SECONDS))[1]:
        # A database that hangs blocks them until its driver gives up. Everything has been written,
        # so exit now: the service manager need not kill this process.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)
