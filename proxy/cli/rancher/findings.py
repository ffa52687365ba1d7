"""What of Rancher has no equivalent, or changes: a report for the operator. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from impersonation.display_names import visible

LONGEST = 300
"""Characters of a name in the report."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report about ``subject``, an object of Rancher.

    ``lost``: access that users have at Rancher is left out.
    """

    area: str
    subject: str
    text: str
    lost: bool = False


@dataclass(slots=True)
class Findings:
    """Collects findings, each of them once."""

    _found: dict[Finding, None] = field(default_factory=dict)

    def add(self, area: str, subject: str, text: str, *, lost: bool = False) -> None:
        """Add a line about an object."""
        self._found[Finding(area, subject, text, lost)] = None

    def __iter__(self) -> Iterator[Finding]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)

    @property
    def lost(self) -> int:
        """Return how many of them leave out access that users have at Rancher."""
        return sum(one.lost for one in self._found)


def quoted(name: str) -> str:
    """Return a name of Rancher as code of Markdown: one visible line, cut if it is long."""
    shown = visible(name)[:LONGEST].replace("`", "'")
    return f"`{shown}`" if shown.strip() else "(no name)"
