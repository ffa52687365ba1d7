"""The state of a cluster in lists: one condition in a few words."""

import pytest

from proxy.cli.verbs.cluster_columns import CLUSTER

STATE = next(one for one in CLUSTER.columns if one.heading == "STATE")
UNREACHABLE = {"type": "Reachable", "status": "False", "reason": "NoResponse"}
NOT_LISTED = {"type": "CollectionsSynced", "status": "False", "reason": "NotListed"}
GOOD = {"type": "Authenticated", "status": "True", "reason": ""}


@pytest.mark.parametrize(
    ("conditions", "shown"),
    [
        ([GOOD], "healthy"),
        ([], ""),
        ([GOOD, NOT_LISTED], "CollectionsSynced: NotListed"),
        ([GOOD, NOT_LISTED, UNREACHABLE], "Reachable: NoResponse"),
    ],
)
def test_state_names_the_cause_before_its_consequences(
    conditions: list[dict[str, str]], shown: str
) -> None:
    assert STATE.cell({"status": {"conditions": conditions}}) == shown
