"""What commands share: the ``-c`` option, one line for every expected error, output, the store.

Every command loads it, and ``--help`` every command: what only some need is imported where it is.
"""

import functools
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar

import click

if TYPE_CHECKING:
    from config.settings import Settings
    from store.interfaces import Store

P = ParamSpec("P")
T = TypeVar("T")


class Failed(Exception):
    """A command can't do what it was asked to. The message is one line, with the way out."""


def config_option(command: Callable[P, T]) -> Callable[P, T]:
    """Give a command ``-c FILE``, which may also stand before its name."""

    @click.option("-c", "--config", "config_file", metavar="FILE", help="The configuration.")
    @click.pass_context
    @functools.wraps(command)
    def with_config(ctx: click.Context, *args: Any, **options: Any) -> T:
        outer = (ctx.find_root().obj or {}).get("config_file")
        options["config_file"] = options["config_file"] or outer
        return command(*args, **options)

    return with_config


def unused_config_option(command: Callable[P, T]) -> Callable[P, T]:
    """Let ``-c FILE`` stand everywhere, also where there is nothing to configure."""
    return click.option("-c", "--config", metavar="FILE", expose_value=False, hidden=True)(command)


def output_option(command: Callable[P, T]) -> Callable[P, T]:
    """Give a command ``-o json|table``."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json"]),
        default="table",
        help="How to print the result.",
    )(command)


def one_line_errors(command: Callable[P, T]) -> Callable[P, T]:
    """Print every expected error as a line or more on standard error; exit code 1."""

    @functools.wraps(command)
    def guarded(*args: P.args, **options: P.kwargs) -> T:
        try:
            return command(*args, **options)
        except Exception as exc:
            said = expected(exc)
            if said is None:
                raise
            fail(*said)

    return guarded


def expected(exc: Exception) -> tuple[str, ...] | None:
    """What an error says to whoever ran the command; None for one that is a defect of ours."""
    from config.problems import ConfigError
    from store.interfaces import StoreError

    if isinstance(exc, ConfigError):
        return tuple(map(str, exc.problems))
    if isinstance(exc, Failed | StoreError):
        return (str(exc),)
    if isinstance(exc, BrokenPipeError):
        return None  # the reader of a pipe has seen enough (… | head): click ends quietly
    if isinstance(exc, OSError):
        said = (exc.strerror or str(exc)).lower()
        return (f"{exc.filename}: {said}" if exc.filename else said,)
    # Errors of layers that not every command loads: found by name to keep commands light.
    if type(exc).__module__.startswith(("management.", "providers.")):
        return (str(exc),)
    return None


def fail(*lines: str) -> NoReturn:
    """End with those errors and exit code 1."""
    for line in lines:
        click.echo(f"sekisho: error: {plain(line)}", err=True)
    sys.exit(1)


def plain(text: str) -> str:
    """``text`` on one line, without what would steer a terminal: others may have written it."""
    return "".join(one if one.isprintable() else " " for one in " ".join(text.split()))


def run_async(command: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Run a coroutine function as a command."""

    @functools.wraps(command)
    def run(*args: P.args, **options: P.kwargs) -> T:
        import asyncio

        return asyncio.run(command(*args, **options))

    return run


def load_settings(config_file: str | None) -> "Settings":
    """The settings, providers' options included. Raises ConfigError with every problem.

    Says so where a store is about to be made for want of a configuration: it may be the wrong
    folder to stand in.
    """
    from proxy.startup_settings import load_everything

    everything = load_everything(config_file, os.environ)
    settings = everything.settings
    if everything.bare and everything.file is None and not settings.data_dir.exists():
        warn(f"there is no sekisho.yaml here: the defaults are used, in {settings.data_dir}")
    return settings


def warn(line: str) -> None:
    """Tell something on standard error, and go on."""
    click.echo(f"sekisho: warning: {plain(line)}", err=True)


@asynccontextmanager
async def offline_store(config_file: str | None) -> AsyncIterator[tuple["Settings", "Store"]]:
    """The store in the configuration, for commands that work on it without the server."""
    from proxy.data_dir import open_keyring
    from store.database import open_store

    _log_to_stderr()
    settings = load_settings(config_file)
    store = await open_store(
        settings.store_url, open_keyring(settings), upgrade=settings.store.auto_upgrade
    )
    try:
        yield settings, store
    finally:
        await store.close()


def _log_to_stderr() -> None:
    """Keep warnings away from standard output: what a command prints is read by programs."""
    import structlog

    if not structlog.is_configured():
        # The stream is looked up each time: it changes under a test's feet.
        structlog.configure(logger_factory=lambda *_: structlog.PrintLogger(sys.stderr))


def print_json(value: object) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows under upper-case headings, in columns, as kubectl does."""
    cells_of = [["" if cell is None else plain(str(cell)) for cell in row] for row in rows]
    lines = [list(headings), *cells_of]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("   ".join(cells).rstrip())


def read_password() -> str:
    """A password from standard input: its first line, without the line's end."""
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise Failed("no password came on standard input; pipe one in: … --password-stdin < file")
    return password
