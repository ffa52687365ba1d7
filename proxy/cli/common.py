"""Shared parts of commands: the ``-c`` option, errors, and output.

Every command loads this module, and ``--help`` loads every command. Therefore, functions import
what only some commands need.
"""

import functools
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, ParamSpec, TypeVar

import click

from config.errors import UserError

P = ParamSpec("P")
T = TypeVar("T")


STANDARD_OUTPUT = Path("-")
"""What an option for a file is, where the output is to be printed."""


class CommandFailed(UserError):
    """A command failed. The message is one line with cause and remedy."""


def config_option(command: Callable[P, T]) -> Callable[P, T]:
    """Add ``-c FILE`` to a command. It may also precede the command's name."""

    @click.option("-c", "--config", "config_file", metavar="FILE", help="Configuration file.")
    @click.pass_context
    @functools.wraps(command)
    def with_config(ctx: click.Context, *args: Any, **options: Any) -> T:
        outer = (ctx.find_root().obj or {}).get("config_file")
        options["config_file"] = options["config_file"] or outer
        return command(*args, **options)

    return with_config


def unused_config_option(command: Callable[P, T]) -> Callable[P, T]:
    """Accept ``-c FILE`` for a command that has no use for it."""
    return click.option("-c", "--config", metavar="FILE", expose_value=False, hidden=True)(command)


def output_option(command: Callable[P, T]) -> Callable[P, T]:
    """Add ``-o json|table`` to a command."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["table", "json"]),
        default="table",
        help="Format of the result.",
    )(command)


def one_line_errors(command: Callable[P, T]) -> Callable[P, T]:
    """Print expected errors to standard error, one line each, and exit with code 1."""

    @functools.wraps(command)
    def guarded(*args: P.args, **options: P.kwargs) -> T:
        try:
            return command(*args, **options)
        except Exception as exc:
            lines = expected(exc)
            if lines is None:
                raise
            fail(*lines)

    return guarded


def expected(exc: Exception) -> tuple[str, ...] | None:
    """Return the lines to print for an error. None if the error is a defect."""
    if isinstance(exc, UserError):
        return exc.lines
    if isinstance(exc, BrokenPipeError):
        return None  # the reader of a pipe has ended (… | head): click exits silently
    if isinstance(exc, OSError):
        return (f"{exc.filename}: {reason(exc)}" if exc.filename else reason(exc),)
    return None


def reason(exc: OSError) -> str:
    """Return the text of a system error: ``read-only file system``."""
    if exc.errno is not None and exc.errno > 0:
        return os.strerror(exc.errno).lower()
    return (exc.strerror or "the system refused it").lower()


def fail(*lines: str) -> NoReturn:
    """Print errors and exit with code 1."""
    for line in lines:
        click.echo(f"sekisho: error: {plain(line)}", err=True)
    sys.exit(1)


def plain(text: str) -> str:
    """Return ``text`` on one line, without control characters: it may come from others."""
    return "".join(one if one.isprintable() else " " for one in " ".join(text.split()))


def run_async(command: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Run a coroutine function as a command."""

    @functools.wraps(command)
    def run(*args: P.args, **options: P.kwargs) -> T:
        import asyncio

        with _ended_in_order():
            return asyncio.run(command(*args, **options))

    return run


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Let SIGTERM end a command by an exception, so that its temporary files are removed.

    systemd, Kubernetes and ``timeout`` send it. Commands that serve handle it themselves.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Only the main thread may handle signals.
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end(number: int, frame: object) -> NoReturn:
    raise SystemExit(128 + number)


def warn(line: str) -> None:
    """Print a warning to standard error."""
    click.echo(f"sekisho: warning: {plain(line)}", err=True)


def print_json(value: object) -> None:
    """Print a value as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows in columns under upper-case headings, like kubectl."""
    cells_of = [["" if cell is None else plain(str(cell)) for cell in row] for row in rows]
    lines = [list(headings), *cells_of]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        click.echo("   ".join(cells).rstrip())


def read_password() -> str:
    """Return the first line of standard input, without the newline."""
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise CommandFailed(
            "standard input has no password; pipe one in: … --password-stdin < file"
        )
    return password
