"""Commands that change or delete one workload."""

from collections.abc import Mapping

import click

from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import Item, ServerSession
from proxy.cli.common import CommandFailed, plain
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.prompts import confirmed
from proxy.cli.verbs.options import yes_option
from proxy.cli.verbs.workload_output import CHANGE, containers_of, differences
from proxy.cli.verbs.workload_target import Target, dry_run_option, on_workload

PROPAGATIONS = ("background", "foreground", "orphan")


@click.command()
@server_command
@printed
@on_workload
@click.option("--replicas", type=click.IntRange(min=0), required=True, help="How many pods it has.")
@dry_run_option
async def scale(
    session: ServerSession, printer: Printer, target: Target, replicas: int, dry_run: bool
) -> None:
    """Set the number of pods of a Deployment or StatefulSet."""
    body = {"replicas": replicas, "dry_run": dry_run}
    made = await _sent(session, target, "scale", body)
    _print(printer, target, made, f"scaled {target.title} to {replicas}")


@click.command("set-image")
@server_command
@printed
@on_workload
@click.argument("image", metavar="[CONTAINER=]IMAGE")
@dry_run_option
async def set_image(
    session: ServerSession, printer: Printer, target: Target, image: str, dry_run: bool
) -> None:
    """Set the image of a container. CONTAINER may be left out if there is only one."""
    container, equals, reference = image.rpartition("=")
    if not equals:
        container = await _only_container(session, target)
    body = {"container": container, "image": reference, "dry_run": dry_run}
    made = await _sent(session, target, "image", body)
    _print(printer, target, made, f"set the image of {container} in {target.title} to {reference}")


def _action(name: str, done: str, explanation: str) -> click.Command:
    """Return the command of a change that takes no values. ``done`` is its word for success."""

    @click.command(name, help=explanation)
    @server_command
    @printed
    @on_workload
    @dry_run_option
    async def command(
        session: ServerSession, printer: Printer, target: Target, dry_run: bool
    ) -> None:
        made = await _sent(session, target, name, {"dry_run": dry_run})
        _print(printer, target, made, f"{done} {target.title}")

    return command


pause = _action(
    "pause", "paused", "Pause the rollouts of a Deployment, or suspend a Job or CronJob."
)
resume = _action("resume", "resumed", "Resume a Deployment, Job, or CronJob.")
restart = _action(
    "restart",
    "restarted",
    "Replace all pods of a Deployment, StatefulSet, or DaemonSet by a rollout.",
)


@click.command()
@server_command
@printed
@on_workload
@click.option(
    "--revision",
    type=click.IntRange(min=1),
    help="The revision to return to; see history. Default: the one before the present.",
)
@dry_run_option
async def rollback(
    session: ServerSession, printer: Printer, target: Target, revision: int | None, dry_run: bool
) -> None:
    """Return a Deployment, StatefulSet, or DaemonSet to an earlier revision."""
    body = {"revision": revision, "dry_run": dry_run}
    made = await _sent(session, target, "rollback", body)
    _print(printer, target, made, f"returned {target.title} to revision {made['revision']}")


@click.command()
@server_command
@on_workload
@click.option(
    "--propagation",
    type=click.Choice(PROPAGATIONS),
    default="background",
    help="Delete what it owns afterwards (the default), before it (foreground), or not (orphan).",
)
@click.option("--dry-run", is_flag=True, help="Have the cluster check it, and delete nothing.")
@yes_option
async def delete(
    session: ServerSession, target: Target, propagation: str, dry_run: bool, yes: bool
) -> None:
    """Delete a workload with its pods."""
    # With its uid, a workload of the same name that is created meanwhile is not deleted.
    uid = (await session.get(target.path()))["uid"]
    owned = "and keeps what it owns" if propagation == "orphan" else "with all that it owns"
    if not dry_run:
        loss = f"This deletes {target.title} in cluster {target.cluster} {owned}."
        confirmed(plain(loss), yes=yes)
    query = {"propagation": propagation, "uid": uid, "dry_run": dry_run or None}
    await session.send("DELETE", target.path(), **query)
    done = f"{target.title} would be deleted (dry run)" if dry_run else f"deleted {target.title}"
    click.echo(plain(done))


COMMANDS = (scale, set_image, pause, resume, restart, rollback, delete)


async def _sent(
    session: ServerSession, target: Target, action: str, body: Mapping[str, object]
) -> Item:
    return (await session.send("POST", target.path(action), body)).data


async def _only_container(session: ServerSession, target: Target) -> str:
    """Return the name of the workload's only container. Raises CommandFailed."""
    names = containers_of((await session.get(target.path()))["containers"])
    if len(names) == 1:
        return names[0]
    raise CommandFailed(
        f"{target.title} has the containers {', '.join(names)}: write CONTAINER=IMAGE"
    )


def _print(printer: Printer, target: Target, made: Item, done: str) -> None:
    """Print what was done, or would be; the differences in a dry run, and with ``-o wide``."""
    dry_run = made["dry_run"]
    if not made["changed"]:
        done = f"{target.title} is unchanged: it is in that state already"
    elif dry_run:
        done = f"{target.title} would change (dry run)"
    lines = [plain(done)]
    if dry_run or printer.format == "wide":
        lines += differences(made)
    printer.done("\n".join(lines), CHANGE, made)
