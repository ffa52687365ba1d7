"""What a failed request to the engine means for an order. Pure.

The engine refuses (400, 403, 413, 422), the Cluster has another owner (409), or the engine
is away: then the request is repeated, for as long as it takes.
"""

from dataclasses import dataclass
from typing import Literal

from management.errors import ManagementError
from management.kubernetes.errors import (
    ApiConflict,
    ApiForbidden,
    ApiNotFound,
    ClusterApiError,
    ClusterHeld,
)


class ForeignCluster(ManagementError):
    """The Cluster is not the order's. The message is a sentence for users."""


REFUSES = "The engine refuses it: "
"""What precedes the engine's words in a message of an order. They may repeat a variable's value, so
that readers of the order do not get what follows (:func:`without_refusal`)."""

Outcome = Literal["refused", "foreign", "away"]

REFUSALS = frozenset({400, 403, 413, 422})

FIRST_PAUSE, LAST_PAUSE = 1.0, 60.0
"""Seconds of the shortest and the longest pause before a failed request is repeated."""

PAUSE_FRACTION = 4
"""A pause is this part of the time since the first failure, so that after an outage the work goes
on within a quarter of its length."""


@dataclass(frozen=True, slots=True)
class EngineFailure:
    """A failed request. ``kind`` is a label of metrics; ``message`` is one sentence for users.

    A refusal's and a conflict's is the engine's own, for those who may read values of variables.
    """

    outcome: Outcome
    kind: str
    message: str

    @property
    def stored(self) -> str:
        """The message for an order's record, in which the engine's words are marked as such."""
        return self.message if self.outcome == "away" else REFUSES + self.message


def without_refusal(message: str, instead: str) -> str:
    """Return an order's message with ``instead`` in place of words by which the engine refused."""
    before, mark, _ = message.partition(REFUSES)
    return before + instead if mark else message


def failure_of(error: ClusterApiError) -> EngineFailure:
    """Return what a failure means. A refusal keeps the engine's own words, and no address."""
    if isinstance(error, ApiConflict):
        return EngineFailure(
            "foreign", "conflict", error.said or "The Cluster is not this order's."
        )
    if error.status in REFUSALS:
        return EngineFailure("refused", "refused", error.said or f"HTTP {error.status}")
    kind, reason = _absence(error)
    return EngineFailure("away", kind, f"The engine does not respond: {reason}.")


def _absence(error: ClusterApiError) -> tuple[str, str]:
    if isinstance(error, ClusterHeld):
        return "held", "the management cluster is held since the database was restored"
    if isinstance(error, ApiForbidden):
        return "unauthorized", "the management cluster does not accept Sekisho's credential"
    if isinstance(error, ApiNotFound):
        return "absent", "its API or its namespace does not exist in the management cluster"
    if "failed calling webhook" in error.said:
        return "webhook", "its webhooks are not available"
    if error.status == 429:
        return "throttled", "the management cluster is overloaded"
    if error.status:
        return "server", f"the management cluster responds with {error.status}"
    return "unreachable", "the management cluster is unreachable"


def pause_seconds(failing_seconds: float) -> float:
    """Return the pause before the next attempt, ``failing_seconds`` after the first failure."""
    return min(max(failing_seconds / PAUSE_FRACTION, FIRST_PAUSE), LAST_PAUSE)
