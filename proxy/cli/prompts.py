"""Ask the user. Ctrl-C ends the command at each prompt, also inside a coroutine.

:func:`asyncio.run` takes SIGINT over and cancels its task, which a blocking read does not notice.
"""

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from proxy.cli.common import read_password


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt for Ctrl-C in the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def ask(text: str, **options: Any) -> Any:
    """Prompt on standard error. ``options`` are those of :func:`click.prompt`."""
    with interruptible():
        return click.prompt(text, err=True, **options)


def confirmed(loss: str, *, yes: bool) -> None:
    """Ask whether to continue, after a sentence about what will be lost.

    Raises:
        click.UsageError: nothing was asked, because standard input is no terminal.
        SystemExit: the user declined.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"{loss} To confirm without a terminal, add --yes.")
    with interruptible():
        if not click.confirm(f"{loss} Continue?", err=True):
            click.echo("nothing was changed", err=True)
            raise SystemExit(1)


def new_password(*, stdin: bool) -> str:
    """Return a password to set: from standard input, or from a prompt that repeats it.

    Raises:
        CommandFailed: standard input has none.
    """
    if stdin:
        return read_password()
    entered: str = ask("Password", hide_input=True, confirmation_prompt="Repeat it")
    return entered
