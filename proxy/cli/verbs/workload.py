"""``sekisho workload``: what runs in a cluster."""

import click

from proxy.cli.client.name_completion import CLUSTERS, NAMESPACES, PROJECTS
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import ServerSession, path_of, with_query
from proxy.cli.command_group import CommandGroup
from proxy.cli.common import CommandFailed, warn
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.verbs.listing import Filter, Listing, list_command
from proxy.cli.verbs.lookup import find_project
from proxy.cli.verbs.who_can import only_cluster
from proxy.cli.verbs.workload_apply import apply_manifest
from proxy.cli.verbs.workload_changes import COMMANDS
from proxy.cli.verbs.workload_logs import logs
from proxy.cli.verbs.workload_output import REVISION, SECTIONS, WORKLOAD, gap_lines
from proxy.cli.verbs.workload_target import KINDS, Target, on_workload

STATES = (
    *("ready", "progressing", "paused", "stopped", "failed", "suspended", "running", "complete"),
    "terminating",
)

_WITH_REVISIONS = frozenset({"deployment", "statefulset", "daemonset"})


async def _list_path(
    session: ServerSession,
    cluster: str | None,
    namespace: str | None,
    project: str | None,
    label: str | None,
) -> str:
    cluster = cluster or await only_cluster(session)
    if project is not None:
        project = str((await find_project(session, project, cluster))["id"])
    query = {"namespace": namespace, "project": project, "label": label}
    return with_query(path_of("clusters", cluster, "workloads"), query)


LIST = Listing(
    WORKLOAD,
    _list_path,
    sorts=("name", "namespace", "kind", "state", "created_at", "project_name"),
    filters=(
        Filter("kind", "List only workloads of this kind.", choices=KINDS),
        Filter("state", "List only workloads in this state.", choices=STATES),
    ),
    empty="There is no such workload that you may see.",
    notes=gap_lines,
    options=(
        click.Option(
            ["--cluster"],
            metavar="CLUSTER",
            shell_complete=CLUSTERS,
            help="The cluster, by name or id. Default: the only one that you may enter.",
        ),
        click.Option(
            ["-n", "--namespace"],
            metavar="NAMESPACE",
            shell_complete=NAMESPACES,
            help="List only workloads in this namespace.",
        ),
        click.Option(
            ["--project"],
            metavar="PROJECT",
            shell_complete=PROJECTS,
            help="List only workloads in a project: shop, prod/shop, or its id.",
        ),
        click.Option(
            ["-l", "--label"],
            metavar="SELECTOR",
            help="List only workloads with labels: app=web,tier!=test.",
        ),
    ),
)


@click.group(cls=CommandGroup)
def workload() -> None:
    """Work with what runs in a cluster: Deployments, Jobs, and others.

    WORKLOAD is KIND/NAME with -n NAMESPACE (deployment/web -n shop), or NAMESPACE/KIND/NAME, as -o
    name prints it. The cluster decides what you may see and change.
    """


workload.add_command(list_command(LIST, "List the workloads of a cluster that you may see."))


@workload.command()
@server_command
@printed
@on_workload
async def show(session: ServerSession, printer: Printer, target: Target) -> None:
    """Show a workload with its containers, pods, revisions, jobs, and events."""
    found = await session.get(target.path())
    printer.one(WORKLOAD, found)
    if printer.format in {"table", "wide"}:
        for name, kind in SECTIONS.items():
            items = found.get(name) or ()
            if items:
                click.echo()
                await printer.rows(kind, items)
    for line in gap_lines(found):
        warn(line)


@workload.command()
@server_command
@printed
@on_workload
async def history(session: ServerSession, printer: Printer, target: Target) -> None:
    """List the revisions of a Deployment, StatefulSet, or DaemonSet, newest first."""
    if target.kind not in _WITH_REVISIONS:
        kinds = ", ".join(sorted(_WITH_REVISIONS))
        raise CommandFailed(f"a {target.kind} has no revisions; the kinds with revisions: {kinds}")
    found = await session.get(target.path())
    empty = f"{target.title} has no revisions that you may see."
    await printer.rows(REVISION, found["revisions"], empty=empty)
    for line in gap_lines(found):
        warn(line)


for _command in (logs, apply_manifest, *COMMANDS):
    workload.add_command(_command)
