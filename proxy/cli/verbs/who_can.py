"""``sekisho who-can``: who may do something in a cluster, and why."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import click

from proxy.cli.client.reach import in_reach
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import ServerSession, path_of
from proxy.cli.common import CommandFailed, warn
from proxy.cli.output.columns import Column, Item, Kind
from proxy.cli.output.options import printed
from proxy.cli.output.printer import Printer

_KINDS = {
    "person": "person",
    "group": "group",
    "everyone": "everyone",
    "service_account": "service account",
    "user": "user of the cluster",
}


def _subject(item: Item) -> str:
    name = str(item["name"])
    if item["kind"] == "service_account":
        return f"{item['place']}/{name}"
    if item.get("members") is not None:
        return f"{name} ({item['members']} members)"
    return name


def _note(item: Item) -> str:
    if item.get("by"):
        return f"not yet, but may get it: {', '.join(item['by'])}"
    blocked = f"blocked: {item['blocked']}" if item.get("blocked") else ""
    more = item.get("others") or 0
    also = f"and {more} other ways" if more > 1 else "and another way" if more else ""
    return ", ".join(one for one in (blocked, also) if one)


def steps_text(steps: Any, *, left_out: frozenset[str] | set[str] = frozenset()) -> str:
    """Return steps as one line. Steps of the kinds in ``left_out`` are not shown."""
    words = []
    for step in steps:
        if step["kind"] in left_out:
            continue
        place = step["place"] if step["kind"] in {"role_binding", "role"} else ""
        words.append(f"{step['name']} in {place}" if place else str(step["name"]))
    return " → ".join(words)


def _via(item: Item) -> str:
    chain = item.get("chain")
    return steps_text(chain["steps"][1:], left_out={"rule"}) if chain else ""


def _rule(item: Item) -> str:
    chain = item.get("chain")
    return str(chain["steps"][-1]["name"]) if chain else ""


HOLDER = Kind(
    "subject",
    (
        Column("WHO", _subject),
        Column("KIND", lambda item: _KINDS.get(item["kind"], item["kind"])),
        Column("VIA", _via),
        Column("NOTE", _note),
        Column("ID", "id", wide=True),
        Column("RULE", _rule, wide=True),
    ),
)


@click.command("who-can")
@click.argument("verb")
@click.argument("resource")
@click.argument("name", required=False)
@click.option("--cluster", metavar="CLUSTER", help="Default: the only one that you may enter.")
@click.option("-n", "--namespace", help="Default: in the whole cluster.")
@click.option("-A", "--all-namespaces", is_flag=True, help="In any namespace.")
@click.option("--subresource", help="Also after a slash: pods/log.")
@click.option(
    "--svg",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write a picture of the answer to a file.",
)
@server_command
@printed
async def who_can(
    session: ServerSession,
    printer: Printer,
    cluster: str | None,
    svg: Path | None,
    **asked: Any,
) -> None:
    """Show who may do something in a cluster, and by which roles.

    \b
    sekisho who-can get secrets -n shop --cluster prod
    sekisho who-can create pods/exec -A
    sekisho who-can get /metrics

    RESOURCE has its usual name, or its API group after a dot (certificates.cert-manager.io). -o
    wide shows every way and the rule.
    """  # noqa: D301 (a mark of click)
    cluster = cluster or await only_cluster(session)
    path, params = path_of("clusters", cluster, "who-can"), _parameters(asked)
    if svg is not None:
        picture = await session.read(path, **params, format="svg")
        _write(svg, picture.body)
        printer.done(f"wrote {svg}")
        return
    answer = await session.get(path, **params)
    if printer.format in {"json", "yaml"}:
        printer.one(HOLDER, answer)
        return
    every = printer.format == "wide"
    empty = f"No one may {answer['text']}, as far as you may see."
    await printer.rows(HOLDER, _rows(answer, every=every), empty=empty)
    for line in notes(answer):
        warn(line)


async def only_cluster(session: ServerSession) -> str:
    """Return the name of the only cluster that the caller may enter with this credential.

    Raises CommandFailed if there is none, or more than one.
    """
    found = [one async for one in in_reach(session, "clusters", limit=10)]
    if len(found) == 1:
        return str(found[0]["name"])
    if not found:
        raise CommandFailed("you may enter no cluster yet: ask a cluster's owner for access")
    names = ", ".join(str(one["name"]) for one in found[:10])
    raise CommandFailed(f"name the cluster: --cluster with one of {names}")


def notes(answer: Item) -> list[str]:
    """Return what an answer lacks, as lines."""
    found = [str(one) for one in answer.get("gaps") or ()]
    if answer.get("shown") == "own":
        found.append("Only your own access is shown: you manage no members here.")
    elif answer.get("hidden"):
        found.append(
            f"{answer['hidden']} more have it by roles in the whole cluster, whose holders only "
            "those see who may read the cluster's members."
        )
    if answer.get("more"):
        found.append(f"{answer['more']} more are not listed: ask about one namespace or name.")
    return found


def _write(file: Path, picture: bytes) -> None:
    file.write_bytes(picture)


def _parameters(asked: dict[str, Any]) -> dict[str, object]:
    resource = asked.pop("resource")
    what = {"url": resource} if resource.startswith("/") else {"resource": resource}
    every = asked.pop("all_namespaces")
    return {**asked, **what, "all_namespaces": True if every else None}


async def _rows(answer: Item, *, every: bool) -> AsyncIterator[Item]:
    """Yield a row for each subject with its first chain; for each chain if ``every``."""
    for one in answer["subjects"]:
        chains = one["chains"]
        left = len(chains) - 1 + one["more_chains"]
        if not every:
            yield {**one, "chain": chains[0] if chains else None, "others": left}
            continue
        for chain in chains:
            yield {**one, "chain": chain, "others": one["more_chains"]}
    for one in answer["ways"]:
        yield one
