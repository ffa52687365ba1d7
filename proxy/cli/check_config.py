"""``sekisho check-config``: report all problems of the configuration."""

import os
from dataclasses import asdict

import click

from proxy.cli.common import config_option, one_line_errors, output_option, print_json


@click.command("check-config")
@output_option
@config_option
@one_line_errors
def check_config(output: str, config_file: str | None) -> None:
    """Check the configuration and print every problem. Nothing is created or changed."""
    from config.problems import ConfigError
    from proxy.startup.configuration import load_config

    try:
        everything = load_config(config_file, os.environ)
    except ConfigError as exc:
        if output == "json":
            print_json({"ok": False, "problems": [asdict(problem) for problem in exc.problems]})
        raise
    if output == "json":
        print_json({"ok": True, "problems": []})
    else:
        what = everything.file or "no sekisho.yaml, defaults"
        url = everything.settings.external_url
        click.echo(f"{what}: the configuration is fine; clients reach Sekisho at {url}")
