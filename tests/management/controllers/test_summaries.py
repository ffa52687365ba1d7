"""What is remembered of nodes and events, from whatever a cluster says of them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.fleet.nodes import node_data, provider_guess, totals
from management.fleet.warnings import event_data, summary

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
def test_a_node_that_says_little_is_remembered_all_the_same(node: dict[str, Any]) -> None:
    data = node_data(node)
    assert totals([data])["total"] == 1
    provider_guess("v1.36.3", [data])


def test_a_heartbeat_is_no_news() -> None:
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
def test_whose_kubernetes_it_is_is_guessed(
    version: str, provider_id: str, guess: str | None
) -> None:
    assert provider_guess(version, [{"provider_id": provider_id}]) == guess


def test_events_count_and_the_latest_come_first() -> None:
    def event(reason: str, count: int, when: str) -> dict[str, Any]:
        return event_data({"reason": reason, "count": count, "lastTimestamp": when})

    told = summary(
        [event("A", 1, "2026-01-1"), event("B", 5, "2026-01-2"), event("A", 1, "2026-01-3")]
    )
    assert told["total"] == 7
    assert list(told["by_reason"].items()) == [("B", 5), ("A", 2)]
    assert told["latest"][0]["last_at"] == "2026-01-3"


def test_an_event_of_the_newer_kind_counts_by_its_series() -> None:
    data = event_data(
        {"reason": "A", "series": {"count": 9, "lastObservedTime": "2026-02-01"}, "eventTime": None}
    )
    assert (data["count"], data["last_at"]) == (9, "2026-02-01")
