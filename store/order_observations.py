"""What of an observation changes the stored order. Pure."""

from typing import Any

from store.order_records import ENDING_STATES, OrderObservation, OrderSummary

_JUDGED = frozenset({"state", "state_since", "message", "slow"})
"""What an observation says about what was wanted."""


def differences(
    known: OrderSummary, seen: OrderObservation, revision: int | None = None
) -> dict[str, Any]:
    """Return what was observed and differs. A removal that began is not taken back.

    ``revision`` None: nothing that was observed depends on what is wanted.
    """
    is_outdated = revision not in {None, known.revision}
    row: dict[str, Any] = {
        name: value
        for name, value in seen.items()
        if getattr(known, name) != value and not (is_outdated and name in _JUDGED)
    }
    state = row.get("state")
    if known.release or (known.deleting_since and state not in ENDING_STATES):
        row.pop("state", None)
    if "state" not in row and "state" in seen:
        row.pop("state_since", None)
    return row
