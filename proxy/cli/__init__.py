"""The ``sekisho`` command. Subcommands are loaded when they are used: ``sekisho credential`` runs
on every kubectl call, and must not wait for a database driver to be imported.
"""

import importlib
from typing import Any

import click

_COMMANDS = {
    "serve": "proxy.cli.serve:serve",
    "demo": "proxy.cli.demo:demo",
    "check-config": "proxy.cli.check_config:check_config",
    "cluster": "proxy.cli.cluster:cluster",
    "user": "proxy.cli.user:user",
    "token": "proxy.cli.token:token",
    "kubeconfig": "proxy.cli.kubeconfig:kubeconfig",
    "login": "proxy.cli.login:login",
    "logout": "proxy.cli.login:logout",
    "credential": "proxy.cli.credential:credential",
    "register": "proxy.cli.register:register",
    "db": "proxy.cli.db:db",
    "version": "proxy.cli.version:version",
}


class _LazyGroup(click.Group):
    """Knows its commands by name and imports one when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names, in the order of the table above."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        where = _COMMANDS.get(cmd_name)
        if where is None:
            return None
        module, _, attribute = where.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-c",
    "--config",
    "config_file",
    metavar="FILE",
    help="The configuration. Default: $SEKISHO_CONFIG, else ./sekisho.yaml if it is there.",
)
@click.pass_context
def main(ctx: click.Context, config_file: str | None) -> None:
    """Sekisho: an authenticating gate in front of Kubernetes clusters."""
    options: dict[str, Any] = ctx.ensure_object(dict)
    options["config_file"] = config_file
