"""``sekisho workload apply``: a manifest for one cluster or several."""

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from proxy.cli.client.name_completion import CLUSTERS, NAMESPACES
from proxy.cli.client.received import Received, received
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import Item, ServerSession
from proxy.cli.common import CommandFailed, plain, reason
from proxy.cli.output.columns import Kind
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer
from proxy.cli.prompts import interruptible
from proxy.cli.verbs.options import given, read_text
from proxy.cli.verbs.who_can import only_cluster
from proxy.cli.verbs.workload_output import differences
from proxy.cli.verbs.workload_target import dry_run_option

MAX_REQUEST_BYTES = 64 * 1024
"""The server's limit for a request, in which JSON escapes the manifest."""

MAX_CONCURRENCY = 10
"""The server's limit for clusters at a time."""

RESPONSE_SECONDS = 150.0
"""How long to wait for the results. The server ends a request after two minutes."""

RESULTS = Kind("results", ())

_SUCCESSES = ("changed", "unchanged")
_DONE = {"create": "created", "change": "changed", "unchanged": "unchanged"}
_WOULD = {"create": "would be created", "change": "would change", "unchanged": "unchanged"}


@click.command("apply")
@click.option(
    *("-f", "--filename", "file"),
    required=True,
    type=click.Path(path_type=Path),
    metavar="FILE|-",
    help="The manifest: YAML documents in a file, or on standard input.",
)
@click.option(
    *("--cluster", "clusters"),
    multiple=True,
    metavar="CLUSTER",
    shell_complete=CLUSTERS,
    help="Apply it to this cluster. Repeatable. Default: the only one that you may enter.",
)
@click.option(
    *("-l", "--selector"),
    metavar="SELECTOR",
    help="Apply it to the clusters with labels: env=prod,tier!=test.",
)
@click.option(
    *("-n", "--namespace"),
    metavar="NAMESPACE",
    shell_complete=NAMESPACES,
    help="The namespace of objects without one.",
)
@click.option(
    "--concurrency",
    type=click.IntRange(1, MAX_CONCURRENCY),
    help="Apply it to so many clusters at a time. Default: 4.",
)
@click.option("--keep-going", is_flag=True, help="Begin further clusters after one has failed.")
@dry_run_option
@server_command
@printed
async def apply_manifest(
    session: ServerSession,
    printer: Printer,
    file: Path,
    clusters: tuple[str, ...],
    selector: str | None,
    namespace: str | None,
    concurrency: int | None,
    keep_going: bool,
    dry_run: bool,
) -> None:
    """Apply a manifest to clusters, server-side.

    \b
    sekisho workload apply -f web.yaml --cluster prod --dry-run
    sekisho workload apply -f web.yaml --selector env=prod --concurrency 2

    Each cluster has a result of its own. After a failure, no other cluster begins, unless you give
    --keep-going. Fields that others own are never overwritten. Exits with 1 if a cluster failed.
    """  # noqa: D301 (a mark of click)
    if clusters and selector is not None:
        raise click.UsageError("give either --cluster or --selector")
    manifest = _manifest(file)
    if not clusters and selector is None:
        clusters = (await only_cluster(session),)
    body = {
        "manifest": manifest,
        "dry_run": dry_run,
        "stop_on_failure": not keep_going,
        **given(clusters=clusters, selector=selector, namespace=namespace, concurrency=concurrency),
    }
    if len(json.dumps(body)) > MAX_REQUEST_BYTES:
        raise CommandFailed(
            f"{file}: is too large for a request of {MAX_REQUEST_BYTES} bytes; apply it in parts"
        )
    results = await _sent(session, body)
    _print(printer, results)
    failures = [_failure(one) for one in _parts(results) if one["outcome"] not in _SUCCESSES]
    for line in failures:
        click.echo(f"sekisho: error: {plain(line)}", err=True)
    if failures:
        raise SystemExit(1)


def _print(printer: Printer, results: Item) -> None:
    if printer.format in {"table", "wide"}:
        printer.done("\n".join(_lines(results, wide=printer.format == "wide")))
    elif printer.format == "name":
        printer.done("\n".join(_names(results)))
    else:
        printer.one(RESULTS, results)


def _parts(item: Item) -> list[Received]:
    """Return the clusters of results, or the objects of a cluster."""
    return [received(one) for one in item["items"] or ()]


def _manifest(file: Path) -> str:
    """Return the text of a manifest. Raises CommandFailed."""
    try:
        with interruptible():
            return read_text(file, MAX_REQUEST_BYTES)
    except OSError as exc:
        raise CommandFailed(f"{file}: {reason(exc)}") from exc
    except UnicodeDecodeError:
        raise CommandFailed(f"{file}: is not UTF-8 text; save it as UTF-8") from None


async def _sent(session: ServerSession, body: dict[str, Any]) -> Item:
    """Send the manifest and return the results of the clusters."""
    client = replace(session.client, timeout=RESPONSE_SECONDS)
    try:
        return (await replace(session, client=client).send("POST", "/v1/workloads", body)).data
    except asyncio.CancelledError:
        click.echo(
            "interrupted: clusters that have begun are completed, and no other begins; apply the "
            "manifest again to see where it is applied",
            err=True,
        )
        raise


def _lines(results: Item, *, wide: bool) -> Iterator[str]:
    """Yield the results of all objects, with differences, and a summary."""
    dry_run = bool(results["dry_run"])
    words = _WOULD if dry_run else _DONE
    for cluster in _parts(results):
        for one in _parts(cluster):
            if one["action"] not in words:
                continue  # the line about the cluster's failure names it
            yield plain(f"{cluster['name']}: {_title(one)} {words[one['action']]}")
            if dry_run or wide:
                yield from differences(one)
    yield _summary(results, dry_run=dry_run)


def _names(results: Item) -> Iterator[str]:
    """Yield the objects that are applied, as ``prod/shop/deployment/web``."""
    for cluster in _parts(results):
        for one in _parts(cluster):
            if one["action"] in _DONE:
                name = f"{one['namespace']}/{str(one['kind']).lower()}/{one['name']}"
                yield plain(f"{cluster['name']}/{name}")


def _summary(results: Item, *, dry_run: bool) -> str:
    counts = Counter(str(one["outcome"]) for one in _parts(results))
    failed = counts.total() - sum(counts[one] for one in _SUCCESSES)
    begun = failed - counts["not_begun"]
    words = {
        "would change" if dry_run else "changed": counts["changed"],
        "unchanged": counts["unchanged"],
        "failed": begun,
        "not begun": counts["not_begun"],
    }
    shown = ", ".join(f"{number} {word}" for word, number in words.items() if number)
    return f"{'dry run: ' if dry_run else ''}clusters: {shown}"


def _title(one: Item) -> str:
    return f"{one['kind']} {one['namespace']}/{one['name']}"


def _failure(cluster: Item) -> str:
    """Return the sentence about a cluster that is not changed as a whole."""
    outcome = str(cluster["outcome"]).replace("_", " ")
    return f"{cluster['name']}: {outcome}: {cluster['detail'] or 'no reason was given'}"
