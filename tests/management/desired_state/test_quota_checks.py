"""Requests of a namespace for a share of its project's quota, and their effect on others."""

from dataclasses import replace
from datetime import timedelta

from management.desired_state.namespace_objects import namespace_quotas
from management.desired_state.quota_checks import below_use, refusal, shrunk
from store.access_records import Project, ProjectNamespace
from tests.store.records import NOW


def project(**values: object) -> Project:
    whole = Project("p-shop", "c-prod", "shop", NOW, quota={"pods": "10"})
    return replace(whole, **values)  # type: ignore[arg-type]


def inside(*names: str, **quotas: str) -> list[ProjectNamespace]:
    """Return namespaces in the order in which they joined."""
    return [
        ProjectNamespace(
            "c-prod",
            name,
            name,
            "p-shop",
            "p-shop",
            {"pods": quotas[name]} if name in quotas else {},
            NOW + timedelta(minutes=number),
        )
        for number, name in enumerate(names)
    ]


def test_request_above_the_rest_is_refused() -> None:
    there = inside("b", "c", b="6")
    assert refusal(project(), there, "a", {"pods": "4"}) is None
    assert refusal(project(), there, "a", {"pods": "5"}) == (
        "quota.pods: 5 is more than what is left of the project's 10: 4"
    )
    assert refusal(project(), there, "b", {"pods": "10"}) is None


def test_default_shares_of_others_are_taken() -> None:
    shared = project(namespace_quota={"pods": "4"})
    assert refusal(shared, inside("b", "c"), "a", {"pods": "2"}) is None
    assert refusal(shared, inside("b", "c"), "a", {"pods": "3"}) is not None


def test_new_namespace_without_a_share_is_refused() -> None:
    full = inside("b", "c", b="6", c="4")
    assert "nothing is left" in str(refusal(project(), full, "a", {}))
    assert refusal(project(), full, "c", {}) is None
    assert "nothing is left" in str(
        refusal(project(quota={"pods": "2"}), inside("b", "c"), "a", {})
    )
    assert refusal(project(quota={"pods": "0"}), inside("b"), "a", {}) is None
    assert refusal(project(), inside("b", "c"), "a", {}) is None


def test_earlier_namespaces_keep_their_shares() -> None:
    shared = project(namespace_quota={"pods": "4"})
    got = namespace_quotas(shared, inside("z", "y", "a"))
    assert {name: hard["pods"] for name, hard in got.items()} == {"z": "4", "y": "4", "a": "2"}


def test_amounts_that_others_lose_are_returned() -> None:
    newcomer = replace(inside("a")[0], joined_at=None)
    losing = shrunk(project(), inside("b"), newcomer)
    assert losing == {"b": {"pods": "5"}}
    assert list(below_use(losing, {"b": {"pods": "5"}})) == []
    assert list(below_use(losing, {"b": {"pods": "8"}})) == ["b uses 8 of pods and would get 5"]
    assert shrunk(project(namespace_quota={"pods": "4"}), inside("b"), newcomer) == {}
