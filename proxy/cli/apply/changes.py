"""Changes, and the plan that lists them. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from config.errors import Problem
from config.labels import Selector
from proxy.cli.apply.documents import Document
from proxy.cli.apply.kinds import ROLE
from proxy.cli.apply.observed import Existing, Key

Action = Literal["create", "change", "keep", "delete"]

Result = Literal["created", "changed", "unchanged", "deleted", "failed", "skipped"]


@dataclass(frozen=True, slots=True)
class Change:
    """One step. ``labels`` and ``content`` are the desired ones; None: the object is deleted.

    ``needs`` are the documents of the run to which this one refers.
    """

    action: Action
    shown: str
    key: tuple[str, Key]
    document: Document | None = None
    existing: Existing | None = None
    content: Mapping[str, Any] | None = None
    needs: tuple[Document, ...] = ()

    @property
    def kind(self) -> str:
        """Return the name of the kind."""
        return self.key[0]

    @property
    def labels(self) -> Mapping[str, str]:
        """Return the desired labels."""
        return self.document.labels if self.document is not None else {}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a change. ``message`` is why it failed; ``pending`` what is unfinished."""

    change: Change
    result: Result
    message: str = ""
    pending: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prune:
    """What to delete: objects that satisfy ``selector``, of the run's kinds and of ``kinds``."""

    selector: Selector
    kinds: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    """All changes in order, and all problems. With problems, nothing may be changed.

    ``notes`` are what the reader of the plan may not expect.
    """

    changes: Sequence[Change] = ()
    problems: Sequence[Problem] = ()
    notes: Sequence[str] = ()

    def of(self, *actions: Action) -> list[Change]:
        """Return the changes with one of these actions."""
        return [one for one in self.changes if one.action in actions]


def shown_as(document: Document) -> str:
    """Return a name for a document's object, as :class:`Existing` has it."""
    spec = document.spec
    parts = [document.kind.name.lower()]
    if document.kind is ROLE:
        parts.append(str(spec["scope"]))
    parts += [str(spec[key]) for key in ("cluster", "project") if key in spec]
    parts += [one for one in (document.name, document.subject) if one]
    if "role" in spec:
        parts.append(str(spec["role"]))
    return "/".join(parts)
