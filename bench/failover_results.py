"""What clients saw of each fault, as figures and as a table. Pure."""

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from bench.failover_clients import Event


@dataclass(frozen=True, slots=True)
class Window:
    """A fault: when it began, when clients were served as before, and when leases had moved.

    Times are seconds since 1970; ``leased`` is None if the leases did not move.
    """

    name: str
    begin: float
    end: float
    leased: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What clients saw of one fault. Times are in seconds."""

    name: str
    requests: int
    failed: int
    failed_twice: int
    longest_gap: float
    longest_wait: float
    watches_ended: int
    again_median: float
    again_max: float
    longest_silence: float
    leases_moved: float | None
    sign_ins: int
    sign_ins_failed: int
    reasons: dict[str, int]


def outcome(window: Window, events: Iterable[Event]) -> Outcome:
    """Return the figures of one fault, of what began in its window."""
    seen: dict[str, list[Event]] = {"get": [], "watch": [], "silence": [], "sign-in": []}
    for one in events:
        if window.begin <= one.start < window.end:
            seen[one.kind].append(one)
    gets, sign_ins = seen["get"], seen["sign-in"]
    failed = [one for one in gets if one.result != "200"]
    again = [one.end - one.start for one in seen["watch"]]
    served = [one for one in gets if "200" in {one.result, one.retry}]
    refused = [one for one in sign_ins if one.result != "200"]
    return Outcome(
        name=window.name,
        requests=len(gets),
        failed=len(failed),
        failed_twice=len(gets) - len(served),
        longest_gap=longest_gap(window, [one.end for one in served]),
        longest_wait=max((one.end - one.start for one in gets), default=0.0),
        watches_ended=len(again),
        again_median=statistics.median(again) if again else 0.0,
        again_max=max(again, default=0.0),
        longest_silence=max((one.end - one.start for one in seen["silence"]), default=0.0),
        leases_moved=None if window.leased is None else window.leased - window.begin,
        sign_ins=len(sign_ins),
        sign_ins_failed=len(refused),
        reasons=dict(Counter(_reason(one) for one in [*failed, *refused]).most_common()),
    )


def longest_gap(window: Window, times: Sequence[float]) -> float:
    """Return the longest time without one of ``times`` in the window."""
    inside = sorted(one for one in times if window.begin <= one <= window.end)
    starts, ends = [window.begin, *inside], [*inside, window.end]
    return max(late - early for early, late in zip(starts, ends, strict=True))


def _reason(event: Event) -> str:
    """Return a failure without addresses and ports."""
    words = event.result.split(": ")
    return f"{event.kind}: {event.result[:60] if event.result[:1].isdigit() else words[-1]}"


HEADER = (
    "| Fault | requests failed | with one retry | longest gap | longest wait | watches ended | "
    "watching again after | longest silence of a watch | leases moved after | sign-ins failed |"
)


def table(outcomes: Sequence[Outcome]) -> str:
    """Return a table in Markdown."""
    return "\n".join([HEADER, f"|---|{'---:|' * 9}", *map(_row, outcomes)])


def _row(one: Outcome) -> str:
    cells = (
        one.name,
        f"{one.failed} of {one.requests}",
        str(one.failed_twice),
        _seconds(one.longest_gap),
        _seconds(one.longest_wait),
        str(one.watches_ended),
        f"{_seconds(one.again_median)} (at most {_seconds(one.again_max)})"
        if one.watches_ended
        else "–",
        _seconds(one.longest_silence) if one.longest_silence else "–",
        "–" if one.leases_moved is None else _seconds(one.leases_moved),
        f"{one.sign_ins_failed} of {one.sign_ins}",
    )
    return f"| {' | '.join(cells)} |"


def _seconds(value: float) -> str:
    return f"{value:.1f} s"
