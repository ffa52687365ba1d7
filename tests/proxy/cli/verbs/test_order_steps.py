"""What the state of an order means, in tables and for commands that wait."""

from typing import Any

import click
import pytest

from proxy.cli.common import CommandFailed
from proxy.cli.verbs.cluster_columns import CLUSTER
from proxy.cli.verbs.order_options import pools_of
from proxy.cli.verbs.order_steps import remarks_of, step_of
from proxy.cli.verbs.order_wait import Steps, is_ready

QUOTA = "quota of 8 CPUs exceeded"


def ordered(state: str, message: str = "", **fields: Any) -> dict[str, Any]:
    order = {"state": state, "message": message, "slow": False, "engine_away": None, **fields}
    return {"id": "c-1", "name": "shop", "provision": order}


def cell(heading: str, cluster: dict[str, Any]) -> str:
    """Return what a column shows of a cluster."""
    return next(one.cell(cluster) for one in CLUSTER.columns if one.heading == heading)


def test_state_of_an_order_is_shown_with_the_engine_s_words() -> None:
    assert cell("STATE", ordered("provisioning", QUOTA)) == f"provisioning: {QUOTA}"
    slow = ordered("provisioning", QUOTA, slow=True, engine_away="2026-01-01T00:00:00+00:00")
    assert cell("STATE", slow) == (
        f"provisioning (slower than usual, the engine does not respond): {QUOTA}"
    )
    ready = {**ordered("ready"), "status": {"conditions": [{"type": "A", "status": "True"}]}}
    assert cell("STATE", ready) == "healthy"
    assert cell("STATE", {"id": "c-2", "removing_since": "2026-01-01T00:00:00+00:00"}) == (
        "being removed"
    )


def test_order_of_another_version_of_the_server_is_shown_as_far_as_it_is_known() -> None:
    assert cell("STATE", {"provision": {}}) == ""
    assert cell("POOLS", {"provision": {"wanted": {"pools": [{"name": "a"}]}}}) == "?"
    assert cell("POOLS", {"provision": {"wanted": None}}) == ""
    assert step_of({"provision": None}) is None
    assert remarks_of({"provision": {"conditions": [None, {"type": "A"}]}}) == []


def test_remarks_are_conditions_with_a_message() -> None:
    conditions = [
        {"type": "Available", "status": "True", "reason": "Available", "message": ""},
        {"type": "ControlPlaneAvailable", "reason": "QuotaExceeded", "message": QUOTA},
    ]
    assert remarks_of(ordered("provisioning", conditions=conditions)) == [f"QuotaExceeded: {QUOTA}"]


def test_steps_are_printed_once_with_the_time_that_has_passed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    moments = iter((0.0, 0.4, 61.5))
    steps = Steps("shop", lambda: next(moments))
    for cluster in (
        ordered("provisioning", "one"),
        ordered("provisioning", "one"),
        ordered("provisioning", "two\n\x1b[31m"),
        {"id": "c-1", "name": "shop"},
    ):
        steps.show(cluster)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["    0s  provisioning: one", "  1m1s  provisioning: two  [31m"]


@pytest.mark.parametrize(
    ("state", "remedy"),
    [
        ("refused", "sekisho cluster remove shop --infrastructure delete"),
        ("foreign", "order it with another name"),
        ("deleting", "being deleted"),
        ("released", "sekisho cluster adopt"),
    ],
)
def test_step_from_which_the_order_does_not_continue_fails_with_the_reason(
    state: str, remedy: str
) -> None:
    with pytest.raises(CommandFailed) as raised:
        Steps("shop").show(ordered(state, QUOTA))
    assert f"shop is {state}: {QUOTA}; " in str(raised.value)
    assert remedy in str(raised.value)


def test_only_ready_counts_as_ready() -> None:
    assert is_ready(ordered("ready"))
    assert not is_ready(ordered("importing"))
    assert not is_ready({"id": "c-1", "name": "shop"})


def test_pools_are_names_sizes_and_classes() -> None:
    assert pools_of(("blue=3:large", "green=0")) == [
        {"name": "blue", "replicas": 3, "class": "large"},
        {"name": "green", "replicas": 0},
    ]


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        (("blue",), "NAME=N"),
        (("blue=",), "NAME=N"),
        (("=3",), "NAME=N"),
        (("blue=-1",), "NAME=N"),
        (("blue=3:",), "NAME=N"),
        (("blue=1", "blue=2"), "given twice"),
    ],
)
def test_wrong_pool_is_refused_with_the_form(texts: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(click.UsageError, match=sentence):
        pools_of(texts)
