"""The actions that are offered are those that the kinds have."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from management.workload_changes import patches
from management.workload_changes.patches import InvalidChange
from management.workload_changes.permitted import ACTIONS
from management.workload_changes.rollback import revisions_path
from management.workloads.kinds import KINDS

CHANGES: dict[str, Callable[[str], object]] = {
    "scale": lambda kind: patches.scale(kind, 1),
    "image": lambda kind: patches.set_image(kind, "main", "web:2"),
    "pause": lambda kind: patches.pause(kind, paused=True),
    "resume": lambda kind: patches.pause(kind, paused=False),
    "restart": lambda kind: patches.restart(kind, datetime.now(UTC)),
    "rollback": lambda kind: revisions_path(kind, "shop"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_actions_of_a_kind_are_the_changes_that_it_has(kind: str) -> None:
    possible = []
    for action, change in CHANGES.items():
        try:
            change(kind)
        except InvalidChange:
            continue
        possible.append(action)
    assert list(ACTIONS[kind]) == [*possible, "delete", "logs"]
