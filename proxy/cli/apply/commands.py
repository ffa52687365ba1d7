"""``sekisho apply``, ``sekisho diff``, and ``sekisho export``."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import click

from proxy.cli.apply.changes import Outcome, Plan
from proxy.cli.apply.diff import diff_text
from proxy.cli.apply.executor import Executor
from proxy.cli.apply.export import export_text, exported
from proxy.cli.apply.kinds import KINDS
from proxy.cli.apply.observed import Observed
from proxy.cli.apply.options import (
    documents_option,
    planned,
    prune_of,
    prune_options,
    read_documents,
    selector_of,
)
from proxy.cli.apply.report import dry_summary, losses, outcome_line, planned_line, summary
from proxy.cli.apply.server_state import Wanted, read_state
from proxy.cli.client.server_command import server_command
from proxy.cli.client.server_session import ServerSession
from proxy.cli.common import plain, warn
from proxy.cli.prompts import confirmed

DIFFERENT, TROUBLE = 1, 2
"""Exit codes of ``sekisho diff``, as those of diff(1): no difference is 0."""


class _Different(SystemExit):
    """There are differences: no error."""


def _code_of_diff(command: Callable[..., None]) -> Callable[..., None]:
    """Exit with 2 after an error, because 1 means that there are differences."""

    @functools.wraps(command)
    def run(*args: Any, **options: Any) -> None:
        try:
            command(*args, **options)
        except _Different:
            raise
        except SystemExit as exc:
            raise SystemExit(TROUBLE if exc.code == 1 else exc.code) from None

    return run


@click.command()
@documents_option
@prune_options
@click.option("--dry-run", is_flag=True, help="Print what would change, and change nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask before deletions.")
@server_command
async def apply(
    files: Sequence[str],
    prune: bool,
    selector: str | None,
    prune_kinds: Sequence[str],
    allow_own: bool,
    dry_run: bool,
    yes: bool,
    session: ServerSession,
) -> None:
    """Bring users, roles, projects, members, and settings to what documents describe.

    A second run changes nothing. Problems are all reported before anything is changed. Documents of
    what exists: `sekisho export`.
    """
    documents = read_documents(files)
    wanted = prune_of(prune, selector, prune_kinds)
    plan, observed = await planned(session, documents, wanted, allow_own=allow_own)
    for note in plan.notes:
        warn(note)
    if dry_run:
        for one in plan.changes:
            click.echo(plain(planned_line(one)))
        click.echo(dry_summary(plan.changes))
        return
    _confirm(plan, observed, yes=yes)
    await _execute(Executor(session, observed, plan), len(plan.changes))


@click.command()
@documents_option
@prune_options
@_code_of_diff
@server_command
async def diff(
    files: Sequence[str],
    prune: bool,
    selector: str | None,
    prune_kinds: Sequence[str],
    allow_own: bool,
    session: ServerSession,
) -> None:
    """Show what `sekisho apply` would change, as a unified diff.

    Exits with 0 if there is no difference, 1 if there is one, and 2 after an error.
    """
    documents = read_documents(files)
    wanted = prune_of(prune, selector, prune_kinds)
    plan, _ = await planned(session, documents, wanted, allow_own=allow_own)
    text = diff_text(plan.changes)
    click.echo(text, nl=False)
    if text:
        raise _Different(DIFFERENT)


@click.command()
@click.argument("kinds", nargs=-1, type=click.Choice([one.lower() for one in KINDS]))
@click.option("-l", "--selector", metavar="LABELS", help="Only objects with labels: team=shop,…")
@server_command
async def export(kinds: Sequence[str], selector: str | None, session: ServerSession) -> None:
    """Write what exists as documents for `sekisho apply`, all kinds or some."""
    chosen = selector_of(selector)
    names = frozenset(one for one in KINDS if not kinds or one.lower() in kinds)
    # Names of users are unique among all of them, so users are read for members, too.
    observed = await read_state(session, Wanted(names, members_everywhere=True))
    if observed.users is None:
        warn("you may not list users: they are left out, and members have ids as names")
    for reason in dict.fromkeys(observed.unreadable.values()):
        warn(f"members of some clusters or projects are left out: {reason}")
    click.echo(export_text(exported(observed, names, chosen)), nl=False)


def _confirm(plan: Plan, observed: Observed, *, yes: bool) -> None:
    """Show what deletions take away, and ask. Raises as :func:`confirmed`."""
    gone = plan.of("delete")
    if not gone:
        return
    for line in losses(gone, observed):
        click.echo(plain(f"will delete {line}"), err=True)
    confirmed(f"{len(gone)} will be deleted.", yes=yes)


async def _execute(executor: Executor, number: int) -> None:
    """Make all changes, and report each. Raises SystemExit with 1 if one failed."""
    outcomes: list[Outcome] = []
    try:
        async for one in executor.outcomes():
            outcomes.append(one)
            _report(one)
    finally:
        # Also after Ctrl-C: what was done stays done.
        click.echo(summary(outcomes, number))
    if any(one.result in {"failed", "skipped"} for one in outcomes):
        raise SystemExit(1)


def _report(outcome: Outcome) -> None:
    click.echo(plain(outcome_line(outcome)))
    for line in outcome.pending:
        warn(f"{outcome.change.shown}: {line}")
    if outcome.message:
        place = outcome.change.document.place if outcome.change.document else ""
        where = f"{place}: " if place else ""
        click.echo(f"sekisho: error: {plain(f'{where}{outcome.message}')}", err=True)
