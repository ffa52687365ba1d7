"""The option ``-o`` of commands that show objects of a server."""

import functools
from collections.abc import Callable
from typing import Any

import click

from proxy.cli.output.printer import FORMATS, Format, Printer, terminal_width


def printed(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``-o table|wide|json|yaml|name`` to a command, and give it a ``printer``."""

    @click.option(
        "-o",
        "--output",
        type=click.Choice(FORMATS),
        default="table",
        help="Format of the result. Default: table.",
    )
    @functools.wraps(command)
    def run(*args: Any, output: Format, **options: Any) -> Any:
        return command(*args, printer=Printer(output, terminal_width()), **options)

    return run
