"""``sekisho version``."""

import importlib.metadata
import platform

import click

from proxy.cli.common import output_option, print_json


@click.command()
@output_option
def version(output: str) -> None:
    """Print the version."""
    number = importlib.metadata.version("sekisho")
    if output == "json":
        print_json({"sekisho": number, "python": platform.python_version()})
    else:
        click.echo(f"sekisho {number}")
