"""The group ``sekisho admin``."""

import click

from proxy.cli.lazy_group import LazyGroup

_COMMANDS = {
    "cluster": "proxy.cli.admin.cluster:cluster",
    "user": "proxy.cli.admin.user:user",
    "provider": "proxy.cli.admin.provider:provider",
    "token": "proxy.cli.admin.token:token",
    "kubeconfig": "proxy.cli.admin.kubeconfig:kubeconfig",
    "db": "proxy.cli.admin.db:db",
    "backup": "proxy.cli.admin.backup:backup",
    "restore": "proxy.cli.admin.restore:restore",
    "migrate": "proxy.cli.admin.migrate:migrate",
    "move-from-rancher": "proxy.cli.rancher.commands:move_from_rancher",
    "doctor": "proxy.cli.admin.doctor:doctor",
    "support-bundle": "proxy.cli.admin.doctor:support_bundle",
}


@click.group(cls=LazyGroup, table=_COMMANDS)
def admin() -> None:
    """Work on the server's own database, on the server's machine.

    For setting Sekisho up, and for rescue: these commands need the configuration (-c FILE), and no
    sign-in. A running server notices their changes within a second.
    """
