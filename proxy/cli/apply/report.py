"""What a run prints: one line for each document, and a summary. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from proxy.cli.apply.changes import Action, Change, Outcome, Result
from proxy.cli.apply.observed import Observed
from proxy.cli.apply.prune import loss

_ORDER: Sequence[Result] = ("created", "changed", "deleted", "unchanged", "failed", "skipped")

_WOULD: Mapping[Action, Result] = {
    "create": "created",
    "change": "changed",
    "delete": "deleted",
    "keep": "unchanged",
}


def outcome_line(outcome: Outcome) -> str:
    """Return the line of one document: ``project/prod/shop created``."""
    return f"{outcome.change.shown} {outcome.result}"


def planned_line(change: Change) -> str:
    """Return the line of a change that is not made (``--dry-run``)."""
    return f"{change.shown} {_WOULD[change.action]} (dry run)"


def summary(outcomes: Iterable[Outcome], planned: int) -> str:
    """Return how many documents had which result; ``planned`` is their number."""
    counts = Counter(one.result for one in outcomes)
    words = [f"{counts[one]} {one}" for one in _ORDER if counts[one]]
    missing = planned - counts.total()
    if missing:
        words.append(f"{missing} not finished")
    return ", ".join(words) or "nothing to do"


def dry_summary(changes: Iterable[Change]) -> str:
    """Return how many documents would have which result."""
    counts = Counter(_WOULD[one.action] for one in changes)
    words = [f"{counts[one]} {one}" for one in _ORDER if counts[one]]
    return f"dry run: {', '.join(words) or 'nothing to do'}"


def losses(changes: Sequence[Change], observed: Observed) -> list[str]:
    """Return a line for each deletion, with what is lost."""
    members = Counter(str(one["project"]) for one in observed.members if one.get("project"))
    mine = str(observed.me["id"])
    lines = []
    for one in changes:
        own = one.existing is not None and one.existing.subject == mine
        lines.append(f"{one.shown}: {loss(one, members)}{' (this is you)' if own else ''}")
    return lines
