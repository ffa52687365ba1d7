"""``sekisho version``."""

import importlib.metadata
import platform

import click

from config.build_origin import build_origin
from proxy.cli.common import output_option, print_json, unused_config_option


@click.command()
@output_option
@unused_config_option
def version(output: str) -> None:
    """Print the version, and of builds that know it, the commit and the time."""
    number = version_number()
    origin = build_origin()
    if output == "json":
        print_json({"sekisho": number, "python": platform.python_version(), **origin})
    else:
        known = ", ".join(f"{name} {value}" for name, value in origin.items())
        click.echo(f"sekisho {number}" + (f" ({known})" if known else ""))


def version_number() -> str:
    """Return the version of the distribution that is installed: the server's, or the client's."""
    try:
        return importlib.metadata.version("sekisho")
    except importlib.metadata.PackageNotFoundError:
        return importlib.metadata.version("sekisho-client")
