"""``sekisho version``."""

import importlib.metadata
import platform

import click

from proxy.cli.common import output_option, print_json, unused_config_option


@click.command()
@output_option
@unused_config_option
def version(output: str) -> None:
    """Print the version."""
    number = importlib.metadata.version("sekisho")
    if output == "json":
        print_json({"sekisho": number, "python": platform.python_version()})
    else:
        click.echo(f"sekisho {number}")
