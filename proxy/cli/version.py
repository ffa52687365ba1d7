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
    number = version_number()
    if output == "json":
        print_json({"sekisho": number, "python": platform.python_version()})
    else:
        click.echo(f"sekisho {number}")


def version_number() -> str:
    """Return the version of the distribution that is installed: the server's, or the client's."""
    try:
        return importlib.metadata.version("sekisho")
    except importlib.metadata.PackageNotFoundError:
        return importlib.metadata.version("sekisho-client")
