"""The workload that a command is about: ``deployment/web -n shop``, or ``shop/deployment/web``."""

import functools
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import click

from proxy.cli.client.name_completion import CLUSTERS, NAMESPACES, suggesting
from proxy.cli.client.server_session import ServerSession, path_of
from proxy.cli.verbs.who_can import only_cluster

KINDS = ("deployment", "statefulset", "daemonset", "job", "cronjob", "pod")

_SHORT = {"deploy": "deployment", "sts": "statefulset", "ds": "daemonset", "cj": "cronjob"}
_KINDS = {
    **{one: one for one in KINDS},
    **{f"{one}s": one for one in KINDS},
    **_SHORT,
    "po": "pod",
}
"""Kinds by each name that kubectl has for them."""

cluster_option = click.option(
    "--cluster",
    metavar="CLUSTER",
    shell_complete=CLUSTERS,
    help="The cluster, by name or id. Default: the only one that you may enter.",
)
namespace_option = click.option(
    "-n",
    "--namespace",
    metavar="NAMESPACE",
    shell_complete=NAMESPACES,
    help="The namespace of the workload.",
)
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Show what the cluster would change, and change nothing."
)


@dataclass(frozen=True, slots=True)
class Target:
    """A workload in a cluster, which is named by name or id."""

    cluster: str
    namespace: str
    kind: str
    name: str

    def path(self, *more: str) -> str:
        """Return the workload's path at the server. Raises CommandFailed for impossible names."""
        return path_of(
            *("clusters", self.cluster, "workloads"), self.namespace, self.kind, self.name, *more
        )

    @property
    def title(self) -> str:
        """Return the workload as messages name it: ``deployment shop/web``."""
        return f"{self.kind} {self.namespace}/{self.name}"


def parse_workload(text: str, namespace: str | None) -> tuple[str, str, str]:
    """Return namespace, kind, and name of ``[NAMESPACE/]KIND/NAME``. Raises UsageError."""
    parts = text.split("/")
    if len(parts) == 2 and namespace:
        parts.insert(0, namespace)
    elif len(parts) == 2:
        raise click.UsageError(f"give the namespace of {text}: add -n NAMESPACE")
    if len(parts) != 3 or not all(parts):
        raise click.UsageError(f'WORKLOAD "{text}": write it like deployment/web')
    if namespace and parts[0] != namespace:
        raise click.UsageError(f"{text} is not in namespace {namespace}: leave -n out")
    kind = _KINDS.get(parts[1].lower())
    if kind is None:
        raise click.UsageError(f'WORKLOAD "{text}": the kinds are {", ".join(KINDS)}')
    return parts[0], kind, parts[2]


def on_workload(
    command: Callable[..., Coroutine[Any, Any, None]],
) -> Callable[..., Coroutine[Any, Any, None]]:
    """Add WORKLOAD, ``-n``, and ``--cluster`` to a command, and give it a ``target``.

    Its arguments follow WORKLOAD if they are below this decorator.
    """

    @click.argument("workload", metavar="WORKLOAD", shell_complete=WORKLOADS)
    @namespace_option
    @cluster_option
    @functools.wraps(command)
    async def run(
        *args: Any,
        session: ServerSession,
        workload: str,
        namespace: str | None,
        cluster: str | None,
        **options: Any,
    ) -> None:
        where, kind, name = parse_workload(workload, namespace)
        target = Target(cluster or await only_cluster(session), where, kind, name)
        await command(*args, session=session, target=target, **options)

    return run


async def _names(session: ServerSession, ctx: click.Context, incomplete: str) -> AsyncIterator[str]:
    """Yield the workloads of the command's cluster and namespace."""
    cluster = ctx.params.get("cluster") or await only_cluster(session)
    namespace = ctx.params.get("namespace")
    path = path_of("clusters", cluster, "workloads")
    async for item in session.list(path, namespace=namespace):
        inside = f"{item['kind']}/{item['name']}"
        yield inside if namespace else f"{item['namespace']}/{inside}"


WORKLOADS = suggesting(_names)
