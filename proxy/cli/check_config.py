"""``sekisho check-config``: tell everything that is wrong with the configuration."""

import os

import click

from proxy.cli.common import config_option, one_line_errors


@click.command("check-config")
@config_option
@one_line_errors
def check_config(config_file: str | None) -> None:
    """Check the configuration; print every problem. Nothing is made or changed."""
    from proxy.startup_settings import load_everything

    settings = load_everything(config_file, os.environ).settings
    click.echo(f"the configuration is fine; clients reach Sekisho at {settings.external_url}")
