"""The report of a move, as Markdown. Pure."""

from collections.abc import Iterator

from proxy.cli.rancher.findings import Finding, quoted
from proxy.cli.rancher.move import Move

_AREAS = ("Clusters", "Members", "Global roles", "Roles", "Projects", "Namespaces", "Quotas")


def report_text(move: Move) -> str:
    """Return the report: what is left out, what differs, and which steps remain."""
    return "\n".join(_lines(move)) + "\n"


def _lines(move: Move) -> Iterator[str]:
    yield "# Move from Rancher"
    yield ""
    lost = [one for one in move.findings if one.lost]
    if lost:
        yield f"{len(lost)} of {len(move.findings)} lines leave out access that users have at "
        yield "Rancher. They begin with **Left out**."
    else:
        yield "No access that users have at Rancher is left out."
    yield from _section("Clusters to import", _clusters(move))
    for area in _AREAS:
        yield from _section(area, [_line(one) for one in move.findings if one.area == area])
    yield from _section(
        "Principals without a translation", [f"- {quoted(one)}" for one in move.wanted]
    )


def _clusters(move: Move) -> list[str]:
    return [f"- {quoted(one)} as {quoted(name)}" for one, name in sorted(move.clusters.items())]


def _line(finding: Finding) -> str:
    left_out = "**Left out.** " if finding.lost else ""
    return f"- {left_out}{quoted(finding.subject)}: {finding.text}"


def _section(heading: str, lines: list[str]) -> Iterator[str]:
    if lines:
        yield ""
        yield f"## {heading}"
        yield ""
        yield from sorted(lines)
