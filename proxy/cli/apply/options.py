"""Options that several commands share, and what they mean."""

from collections.abc import Callable, Sequence
from typing import Any

import click

from config.errors import Problem
from config.labels import InvalidSelector, Selector
from proxy.cli.apply.changes import Plan, Prune
from proxy.cli.apply.documents import Document, InvalidDocuments, parse
from proxy.cli.apply.files import read_sources
from proxy.cli.apply.kinds import KINDS
from proxy.cli.apply.observed import Observed
from proxy.cli.apply.plan import make_plan
from proxy.cli.apply.server_state import Wanted, read_state
from proxy.cli.client.server_session import ServerSession
from proxy.cli.common import CommandFailed


def documents_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``-f FILE|DIRECTORY|-``."""
    return click.option(
        "-f",
        "--filename",
        "files",
        multiple=True,
        required=True,
        metavar="FILE|DIRECTORY|-",
        help="Documents to read; repeatable. A directory is read with all below it.",
    )(command)


def prune_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--prune -l SELECTOR``, ``--prune-kind KIND``, and ``--allow-own``."""
    for option in reversed(
        (
            click.option(
                "--prune",
                is_flag=True,
                help="Delete objects that have the labels of -l and are in no document.",
            ),
            click.option(
                "-l", "--selector", metavar="LABELS", help="Which objects to prune: team=shop,…"
            ),
            click.option(
                "--prune-kind",
                "prune_kinds",
                multiple=True,
                type=click.Choice([one.name for one in KINDS.values() if one.pruned]),
                help="Prune this kind, too, if no document is of it. Repeatable.",
            ),
            click.option(
                "--allow-own", is_flag=True, help="Allow changes that take rights from yourself."
            ),
        )
    ):
        command = option(command)
    return command


def selector_of(text: str | None) -> Selector | None:
    """Return the selector of ``-l``. Raises CommandFailed."""
    if text is None:
        return None
    try:
        return Selector.parse(text)
    except InvalidSelector as exc:
        raise CommandFailed(f"-l: {exc}") from None


def prune_of(prune: bool, selector: str | None, kinds: Sequence[str]) -> Prune | None:
    """Return what to prune; None: nothing. Raises CommandFailed for options that do not fit."""
    if not prune:
        if selector is not None or kinds:
            raise CommandFailed("-l and --prune-kind say what to prune: add --prune")
        return None
    found = selector_of(selector)
    if found is None:
        raise CommandFailed("--prune needs -l: the labels of the objects that may be deleted")
    return Prune(found, frozenset(kinds))


def read_documents(files: Sequence[str]) -> list[Document]:
    """Return the documents of all files. Raises InvalidDocuments."""
    documents = parse(read_sources(files))
    if not documents:
        raise InvalidDocuments([Problem(", ".join(files), "", "has no documents")])
    return documents


async def planned(
    session: ServerSession,
    documents: Sequence[Document],
    prune: Prune | None,
    *,
    allow_own: bool = False,
) -> tuple[Plan, Observed]:
    """Return a plan without problems, and the state on which it is based.

    Raises:
        InvalidDocuments: documents cannot be applied. Contains all problems.
        CommandFailed: the server refused to list something.
    """
    kinds = frozenset(one.kind.name for one in documents)
    if prune is not None:
        kinds |= prune.kinds
        # A project's members are shown as what its deletion takes away.
        kinds |= {"Member"} if "Project" in kinds else set()
    observed = await read_state(session, Wanted(kinds, documents, prune is not None))
    plan = make_plan(documents, observed, prune, allow_own=allow_own)
    if plan.problems:
        raise InvalidDocuments(plan.problems)
    return plan, observed
