"""RBAC is evaluated as Kubernetes does."""

import time

import pytest

from management.access.evaluation import grants, roles_of, rules_in_effect, ways_to_more
from management.access.question import question_from
from management.access.rbac_objects import RbacSubject
from tests.management.access.rbac_world import binding, rbac_of, role, rule


def allowed(objects: list[dict[str, object]], **asked: str) -> set[str]:
    """Return the names of the subjects who may do it, without system:masters."""
    anywhere = asked.pop("anywhere", "")
    question = question_from(asked, anywhere=bool(anywhere))
    found = {one.subject for one in grants(question, rbac_of(objects))}
    return {one.name for one in found} - {"system:masters"}


READER = role("reader", rule("get,list", "secrets"))


def test_cluster_wide_binding_counts_in_every_namespace() -> None:
    objects = [READER, binding("all", "ClusterRole/reader", "User:u-alice")]
    assert allowed(objects, verb="get", resource="secrets") == {"u-alice"}
    assert allowed(objects, verb="get", resource="secrets", namespace="shop") == {"u-alice"}
    assert allowed(objects, verb="delete", resource="secrets") == set()


def test_role_binding_counts_in_its_namespace_only() -> None:
    objects = [READER, binding("one", "ClusterRole/reader", "User:u-alice", namespace="shop")]
    assert allowed(objects, verb="get", resource="secrets", namespace="shop") == {"u-alice"}
    assert allowed(objects, verb="get", resource="secrets", namespace="other") == set()
    assert allowed(objects, verb="get", resource="secrets") == set()
    assert allowed(objects, anywhere="yes", verb="get", resource="secrets") == {"u-alice"}


def test_binding_to_a_missing_role_grants_nothing() -> None:
    objects = [
        role("reader", rule("get", "secrets"), namespace="other"),
        binding("one", "Role/reader", "User:u-alice", namespace="shop"),
    ]
    assert allowed(objects, verb="get", resource="secrets", namespace="shop") == set()


def test_service_account_without_a_namespace_is_of_the_bindings_namespace() -> None:
    made = binding("one", "ClusterRole/reader", namespace="shop")
    made["subjects"] = [
        {"kind": "ServiceAccount", "name": "robot"},
        {"kind": "User", "name": "system:serviceaccount:ci:runner"},
    ]
    question = question_from({"verb": "get", "resource": "secrets", "namespace": "shop"})
    found = {one.subject for one in grants(question, rbac_of([READER, made]))}
    assert RbacSubject("ServiceAccount", "robot", "shop") in found
    assert RbacSubject("ServiceAccount", "runner", "ci") in found


@pytest.mark.parametrize(
    ("rules", "asked", "expected"),
    [
        (rule("get", "pods/log"), {"resource": "pods/log"}, True),
        (rule("get", "pods"), {"resource": "pods/log"}, False),
        (rule("get", "*/scale", "*"), {"resource": "deployments/scale"}, True),
        (rule("get", "*/scale", "*"), {"resource": "deployments"}, False),
        (rule("get", "pods/*"), {"resource": "pods/log"}, False),
        (rule("*", "*", "*"), {"resource": "pods/exec"}, True),
        (rule("get", "secrets", resourceNames=["one"]), {"resource": "secrets"}, False),
        (
            rule("get", "secrets", resourceNames=["one"]),
            {"resource": "secrets", "name": "one"},
            True,
        ),
        (rule("get", "secrets", resourceNames=[""]), {"resource": "secrets"}, True),
        (rule("get", nonResourceURLs=["/logs/*"]), {"url": "/logs/a"}, True),
        (rule("get", nonResourceURLs=["/logs/*"]), {"url": "/logs"}, False),
        (rule("*", "*", "*"), {"url": "/metrics"}, False),
    ],
)
def test_rule_allows_a_request_as_the_api_server_does(
    rules: dict[str, object], asked: dict[str, str], expected: bool
) -> None:
    objects = [role("one", rules), binding("all", "ClusterRole/one", "User:u-alice")]
    assert (allowed(objects, verb="get", **asked) == {"u-alice"}) is expected


def test_request_for_a_namespace_is_a_request_in_it() -> None:
    objects = [
        role("see", rule("get", "namespaces")),
        binding("one", "ClusterRole/see", "User:u-alice", namespace="shop"),
    ]
    assert allowed(objects, verb="get", resource="namespaces", name="shop") == {"u-alice"}


def test_members_of_system_masters_may_always_do_everything() -> None:
    question = question_from({"verb": "get", "resource": "secrets"})
    assert [one.subject.name for one in grants(question, rbac_of([]))] == ["system:masters"]


def test_rules_of_subjects_are_found_without_urls_in_namespaces() -> None:
    both = role("both", rule("get", "pods"), rule("get", nonResourceURLs=["/metrics"]))
    objects = [
        both,
        binding("all", "ClusterRole/both", "Group:devs"),
        binding("one", "ClusterRole/both", "User:u-alice", namespace="shop"),
    ]
    subjects = [RbacSubject("User", "u-alice"), RbacSubject("Group", "devs")]
    found = {
        one.namespace: [bool(rule.resources) for rule in rules_in_effect(one)]
        for one in roles_of(subjects, rbac_of(objects))
    }
    assert found == {"": [True, False], "shop": [True]}


def test_ways_to_more_leave_out_the_question_itself() -> None:
    asked = {"verb": "impersonate", "resource": "users"}
    names = [name for name, _ in ways_to_more(question_from(asked))]
    assert "impersonate users" not in names
    assert "impersonate groups" in names
    in_shop = ways_to_more(question_from({**asked, "namespace": "shop"}))
    assert "escalate roles" in [name for name, _ in in_shop]


def test_ten_thousand_bindings_of_a_thousand_roles_take_linear_time() -> None:
    roles = [
        role(f"r{n}", *[rule("get,list", f"things{m}") for m in range(10)]) for n in range(999)
    ]
    objects = [*roles, READER] + [
        binding(f"b{n}", f"ClusterRole/r{n % 999}", *[f"User:u-{m}" for m in range(5)])
        for n in range(10_000)
    ]
    rbac = rbac_of([*objects, binding("last", "ClusterRole/reader", "User:u-alice")])
    question = question_from({"verb": "get", "resource": "secrets"})
    began = time.process_time()
    found = list(grants(question, rbac))
    assert time.process_time() - began < 1
    assert len(found) == 2
