"""``sekisho admin move-from-rancher``."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from proxy.cli.common import CommandFailed, config_option, one_line_errors, run_async

if TYPE_CHECKING:
    from management.kubernetes.client import ClusterClient
    from proxy.cli.rancher.move import Move

FILE = click.Path(path_type=Path, dir_okay=False)
FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command("move-from-rancher")
@click.option(
    "--kubeconfig",
    type=FILE,
    required=True,
    metavar="FILE",
    help="A kubeconfig of the cluster in which Rancher runs, to read its objects.",
)
@click.option("--context", metavar="NAME", help="The context in it. Default: the current one.")
@click.option("-o", "--output", "folder", type=FOLDER, required=True, help="Where to write.")
@click.option(
    "--cluster", "only", multiple=True, metavar="NAME", help="Move only this cluster. Repeatable."
)
@click.option(
    "--namespaces",
    multiple=True,
    metavar="CLUSTER=FILE",
    help="A kubeconfig of a cluster, to read which namespaces are in which project. Repeatable.",
)
@click.option(
    "--look-up", is_flag=True, help="Look up distinguished names in the configured directories."
)
@config_option
@one_line_errors
@run_async
async def move_from_rancher(
    kubeconfig: Path,
    context: str | None,
    folder: Path,
    only: tuple[str, ...],
    namespaces: tuple[str, ...],
    look_up: bool,
    config_file: str | None,
) -> None:
    """Write Rancher's users, roles, projects and members as documents for `sekisho apply`.

    Reads only, and no password, token or kubeconfig. DIRECTORY/report.md lists what has no
    equivalent. Fill in DIRECTORY/principals.yaml and run the command again until nothing is left.
    """
    from proxy.cli.rancher.directories import look_up_names
    from proxy.cli.rancher.files import read_translations, write_move
    from proxy.cli.rancher.move import move
    from proxy.cli.rancher.reader import Reader

    translations = read_translations(folder)
    files = [_cluster_and_file(one) for one in namespaces]
    reader = Reader(only)
    async with _client(kubeconfig, context) as client:
        await reader.read_rancher(client)
        if "local" in reader.state.clusters and "local" not in dict(files):
            await reader.read_namespaces(client, "local")
    for cluster, file in files:
        async with _client(file, None) as client:
            await reader.read_namespaces(client, cluster)
    moved = move(reader.state, translations)
    if look_up and moved.wanted:
        await look_up_names(config_file, translations)
        moved = move(reader.state, translations)
    write_move(folder, moved, translations)
    _print(folder, moved)


def _client(kubeconfig: Path, context: str | None) -> "ClusterClient":
    from config.address_policy import ANY_ADDRESS
    from management.clusters.kubeconfig_import import from_kubeconfig
    from management.kubernetes.client import ClusterClient

    access = from_kubeconfig(kubeconfig, context)
    # The file is the operator's own, on the operator's machine, as for kubectl.
    endpoint = replace(access.endpoint, addresses=ANY_ADDRESS)
    return ClusterClient(endpoint, access.credential)


def _cluster_and_file(option: str) -> tuple[str, Path]:
    cluster, separator, file = option.rpartition("=")
    if not separator or not cluster or not file:
        raise CommandFailed(f"--namespaces: {option!r} is not CLUSTER=FILE")
    return cluster, Path(file)


def _print(folder: Path, move: "Move") -> None:
    click.echo(f"written to {folder}: {len(move.files)} files of documents, and report.md")
    if move.wanted:
        click.echo(f"{len(move.wanted)} principals to fill in: {folder / 'principals.yaml'}")
    if move.findings.lost:
        click.echo(f"{move.findings.lost} lines of the report leave out access")
