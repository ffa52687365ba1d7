"""Coverage of RBAC rules, compared with Kubernetes' escalation check."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.authorization.builtin_roles import EVERYTHING
from management.authorization.rbac_rules import breakdown_rule, covers, uncovered_rules
from store.access_records import PolicyRule


def rule(verbs: str, groups: str = "", resources: str = "", names: str = "") -> PolicyRule:
    split = [tuple(text.split(",")) if text else () for text in (verbs, resources, names)]
    return PolicyRule(split[0], tuple(groups.split(",")), split[1], split[2])


def urls(verbs: str, *paths: str) -> PolicyRule:
    return PolicyRule(verbs=tuple(verbs.split(",")), non_resource_urls=paths)


@pytest.mark.parametrize(
    ("held", "wanted", "allowed"),
    [
        (rule("get,list", "", "pods"), rule("get", "", "pods"), True),
        (rule("get", "", "pods"), rule("get,list", "", "pods"), False),
        (rule("*", "*", "*"), rule("anything", "any.test", "things"), True),
        (rule("get", "*", "pods"), rule("get", "apps", "pods"), True),
        (rule("get", "", "pods"), rule("get", "*", "pods"), False),
        (rule("get", "", "pods"), rule("*", "", "pods"), False),
        (rule("get", "", "*/status"), rule("get", "", "pods/status"), True),
        (rule("get", "", "*/status"), rule("get", "", "pods"), False),
        (rule("get", "", "pods"), rule("get", "", "pods/log"), False),
        (rule("get", "", "pods", "one,two"), rule("get", "", "pods", "one"), True),
        (rule("get", "", "pods", "one"), rule("get", "", "pods"), False),
        (rule("get", "", "pods"), rule("get", "", "pods", "one"), True),
        (urls("get", "/healthz/*"), urls("get", "/healthz/etcd"), True),
        (urls("get", "/healthz"), urls("get", "/healthz/etcd"), False),
        (urls("*", "*"), urls("post", "/metrics"), True),
        (urls("get", "/api"), rule("get", "", "pods"), False),
        (rule("*", "*", "*"), urls("get", "/metrics"), False),
    ],
)
def test_rule_covers_what_it_allows(held: PolicyRule, wanted: PolicyRule, allowed: bool) -> None:
    assert (uncovered_rules([wanted], [held]) == []) is allowed


WORDS = st.sampled_from(["get", "list", "*", "pods", "pods/log", "*/log", "", "apps"])
SOME = st.lists(WORDS, min_size=1, max_size=3).map(tuple)
RULES = st.builds(
    PolicyRule,
    verbs=SOME,
    api_groups=SOME,
    resources=SOME,
    resource_names=st.lists(st.sampled_from(["a", "b"]), max_size=2).map(tuple),
)


@given(st.lists(RULES, max_size=3))
def test_holder_of_rules_may_grant_them(rules: list[PolicyRule]) -> None:
    assert uncovered_rules(rules, rules) == []
    assert uncovered_rules(rules, EVERYTHING) == []
    single = [action for one in rules for action in breakdown_rule(one)]
    assert uncovered_rules(rules, single) == []


@given(st.lists(RULES, max_size=2), st.lists(RULES, max_size=2), RULES)
def test_covering_is_transitive(
    one: list[PolicyRule], two: list[PolicyRule], x: PolicyRule
) -> None:
    """Granting through an intermediate user gains nothing."""
    if uncovered_rules(two, one) == [] and uncovered_rules([x], two) == []:
        assert uncovered_rules([x], one) == []


@given(RULES, RULES)
def test_rule_covers_nothing_that_it_would_not_allow(held: PolicyRule, wanted: PolicyRule) -> None:
    """Compare with the definition: ``held`` allows every request that ``wanted`` allows."""
    if uncovered_rules([wanted], [held]):
        return
    words = ["get", "list", "delete"], ["", "apps", "other"], ["pods", "pods/log", "x/log", "y"]
    for verb, group, resource, name in itertools.product(*words, ["a", "b", "c"]):
        request = PolicyRule((verb,), (group,), (resource,), (name,))
        if covers(wanted, request):
            assert covers(held, request)
