"""Contexts in which tests look at commands without running them."""

from typing import Any

import click

from proxy.cli.main import main


def context_of(command: click.Command, **options: Any) -> click.Context:
    """Return a context of a command, with the names of the option for help that ``sekisho`` has.

    A command keeps the option for help of its first context as long as the process runs: with
    another context, ``-h`` is unknown to later tests.
    """
    return click.Context(command, **{**main.context_settings, **options})
