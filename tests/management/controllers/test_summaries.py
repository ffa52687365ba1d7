"""Stored data of nodes and events, from any input of a cluster."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.controllers.event_summary import MAX_EVENTS, event_data, summary
from management.controllers.node_summary import node_data, provider_guess, totals

FIELDS = [
    *("metadata", "spec", "status", "conditions", "addresses", "capacity", "labels", "type"),
    *("nodeInfo", "involvedObject", "series", "count", "reason", "message", "lastTimestamp"),
    *("cpu", "memory", "creationTimestamp", "node-role.kubernetes.io/x", "unschedulable"),
]

SCALARS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "metadata": st.none() | st.dictionaries(st.sampled_from(["labels"]), st.none()),
            "spec": st.none() | st.dictionaries(st.sampled_from(["providerID"]), SCALARS),
            "status": st.none()
            | st.fixed_dictionaries(
                {},
                optional={
                    "capacity": st.none() | st.dictionaries(st.just("cpu"), st.text(max_size=4)),
                    "conditions": st.none()
                    | st.lists(st.dictionaries(st.sampled_from(["type", "status"]), SCALARS)),
                    "addresses": st.none() | st.lists(st.fixed_dictionaries({})),
                },
            ),
        },
    )
)
def test_node_with_few_fields_is_stored(node: dict[str, Any]) -> None:
    data = node_data(node)
    assert totals([data])["total"] == 1
    provider_guess("v1.36.3", [data])


def test_heartbeat_does_not_change_node_data() -> None:
    def node(when: str) -> dict[str, Any]:
        ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": when}
        return {"metadata": {"resourceVersion": when}, "status": {"conditions": [ready]}}

    assert node_data(node("one")) == node_data(node("two"))


@pytest.mark.parametrize(
    ("version", "provider_id", "guess"),
    [
        ("v1.36.3+k3s1", "k3s://x", "k3s"),
        ("v1.33.1-gke.100", "gce://p/z/i", "gke"),
        ("v1.33.1-eks-abc", "aws:///z/i", "eks"),
        ("v1.36.3", "azure:///subscriptions/x", "azure"),
        ("v1.36.3", "", None),
        ("v1.36.3", "something-else://x", None),
    ],
)
def test_provider_is_guessed_from_version_and_provider_id(
    version: str, provider_id: str, guess: str | None
) -> None:
    assert provider_guess(version, [{"provider_id": provider_id}]) == guess


def test_events_are_counted_and_sorted_by_time() -> None:
    def event(reason: str, count: int, when: str) -> dict[str, Any]:
        return event_data({"reason": reason, "count": count, "lastTimestamp": when})

    result = summary(
        [event("A", 1, "2026-01-1"), event("B", 5, "2026-01-2"), event("A", 1, "2026-01-3")]
    )
    assert result["total"] == 7
    assert list(result["by_reason"].items()) == [("B", 5), ("A", 2)]
    assert result["latest"][0]["last_at"] == "2026-01-3"


def test_event_with_a_series_counts_by_the_series() -> None:
    data = event_data(
        {"reason": "A", "series": {"count": 9, "lastObservedTime": "2026-02-01"}, "eventTime": None}
    )
    assert (data["count"], data["last_at"]) == (9, "2026-02-01")


def test_summary_covers_the_newest_events() -> None:
    """A list is sorted by name, not by time, and a changed event keeps its position."""

    def event(number: int) -> dict[str, Any]:
        hour, minute = divmod(number // 60, 60)
        when = f"2026-01-01T{hour:02}:{minute:02}:{number % 60:02}Z"
        return event_data({"reason": f"R{number}", "lastTimestamp": when})

    numbers = [(number * 1867) % 5000 for number in range(5000)]
    result = summary(event(number) for number in numbers)
    assert result["total"] == MAX_EVENTS
    assert [one["reason"] for one in result["latest"]] == [f"R{4999 - n}" for n in range(20)]


def test_times_with_other_precision_and_zone_are_compared_as_times() -> None:
    def event(reason: str, when: Any) -> dict[str, Any]:
        return event_data({"reason": reason, "eventTime": when})

    result = summary(
        [
            event("third", "2026-01-01T00:00:00Z"),
            event("first", "2026-01-01T00:00:00.500000Z"),
            event("second", "2026-01-01T01:00:00.250000+01:00"),
            event("last", "not a time"),
            event("last", None),
            event("last", {}),
        ]
    )
    reasons = [one["reason"] for one in result["latest"]]
    assert reasons == ["first", "second", "third", "last", "last", "last"]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*FIELDS, "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(FIELDS), ANYTHING, max_size=8))
def test_summary_of_any_input_can_be_stored(item: dict[str, Any]) -> None:
    result = [totals([node_data(item)]), summary([event_data(item)])]
    text = json.dumps(result, allow_nan=False)
    assert "\\u0000" not in text
    assert len(text) < 100_000
