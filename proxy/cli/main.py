"""The ``sekisho`` command.

Each subcommand is imported when it is used. kubectl runs ``sekisho credential`` for every call, so
that must not import a database driver.
"""

import os
import sys
from typing import Any

import click

from proxy.cli.common import fail
from proxy.cli.lazy_group import LazyGroup

_COMMANDS = {
    "whoami": "proxy.cli.verbs.whoami:whoami",
    "password": "proxy.cli.verbs.whoami:password",
    "account": "proxy.cli.verbs.account:account",
    "clusters": "proxy.cli.verbs.cluster:clusters",
    "cluster": "proxy.cli.verbs.cluster:cluster",
    "project": "proxy.cli.verbs.project:project",
    "namespace": "proxy.cli.verbs.namespace:namespace",
    "member": "proxy.cli.verbs.member:member",
    "role": "proxy.cli.verbs.role:role",
    "binding": "proxy.cli.verbs.binding:binding",
    "user": "proxy.cli.verbs.user:user",
    "group": "proxy.cli.verbs.group:group",
    "token": "proxy.cli.verbs.token:token",
    "provider": "proxy.cli.verbs.provider:provider",
    "workload": "proxy.cli.verbs.workload:workload",
    "node": "proxy.cli.verbs.node:node",
    "registration": "proxy.cli.verbs.registration:registration",
    "who-can": "proxy.cli.verbs.who_can:who_can",
    "access": "proxy.cli.verbs.access:access",
    "audit": "proxy.cli.verbs.audit:audit",
    "why": "proxy.cli.verbs.why:why",
    "apply": "proxy.cli.apply.commands:apply",
    "diff": "proxy.cli.apply.commands:diff",
    "export": "proxy.cli.apply.commands:export",
    "kubeconfig": "proxy.cli.kubeconfig.commands:kubeconfig",
    "server": "proxy.cli.client.server:server",
    "login": "proxy.cli.client.login:login",
    "logout": "proxy.cli.client.login:logout",
    "credential": "proxy.cli.client.credential:credential",
    "serve": "proxy.cli.serve:serve",
    "agent": "proxy.cli.agent:agent",
    "demo": "proxy.cli.demo:demo",
    "check-config": "proxy.cli.check_config:check_config",
    "admin": "proxy.cli.admin.main:admin",
    "register": "proxy.cli.register:register",
    "completion": "proxy.cli.completion:completion",
    "version": "proxy.cli.version:version",
}

_UNLISTED = {"db": "proxy.cli.admin.db:db"}
"""Units of earlier versions run ``sekisho db upgrade``."""

_HEADINGS = {
    "whoami": "At a server, as yourself",
    "kubeconfig": "Servers and sign-in",
    "serve": "The server itself",
    "completion": "Others",
}

INTERRUPTED, PIPE_CLOSED = 130, 141
"""Exit codes, as a shell reports a process that SIGINT or SIGPIPE ended."""


class _Main(LazyGroup):
    """The command itself: ends quietly when the user or the reader of its output has ended it."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. Raises SystemExit for Ctrl-C and for a closed pipe."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # Python would report it again when it flushes standard output at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise SystemExit(PIPE_CLOSED) from None
        except KeyboardInterrupt:
            raise _interrupted() from None
        except click.Abort as exc:
            if not isinstance(exc.__context__, EOFError):
                raise _interrupted() from None
            fail("no answer: the input has ended; give the answer as an option")


def _interrupted() -> SystemExit:
    click.echo(err=True)
    return SystemExit(INTERRUPTED)


@click.group(
    cls=_Main,
    table=_COMMANDS,
    unlisted=_UNLISTED,
    headings=_HEADINGS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "-c",
    "--config",
    "config_file",
    metavar="FILE",
    help="Configuration file. Default: $SEKISHO_CONFIG, else ./sekisho.yaml if it exists.",
)
@click.pass_context
def main(ctx: click.Context, config_file: str | None) -> None:
    """Sekisho: an authenticating proxy for Kubernetes clusters."""
    options: dict[str, Any] = ctx.ensure_object(dict)
    options["config_file"] = config_file
