"""Which requests are audited."""

from typing import Any

import pytest
from pydantic import ValidationError

from config.audit_settings import AuditRule
from proxy.audit_policy import AuditPolicy
from tests.proxy.accesses import access


def silenced(target: str = "/api/v1/namespaces/shop/pods/web", **rule: Any) -> bool:
    """Whether a rule of level None with these fields takes a GET of ``target``."""
    policy = AuditPolicy([AuditRule(level="None", **rule)])
    return not policy.audits(access("GET", target))


def test_without_a_rule_everything_is_audited() -> None:
    assert AuditPolicy([]).audits(access())
    assert AuditPolicy([AuditRule(level="None", verbs=("watch",))]).audits(access())


def test_the_first_rule_that_matches_decides() -> None:
    never = AuditRule(level="None")
    secrets = AuditRule(level="Metadata", resources=("secrets",))
    assert AuditPolicy([secrets, never]).audits(access("GET", "/api/v1/secrets"))
    assert not AuditPolicy([secrets, never]).audits(access("GET", "/api/v1/pods"))
    assert not AuditPolicy([never, secrets]).audits(access("GET", "/api/v1/secrets"))


@pytest.mark.parametrize(
    ("rule", "matches"),
    [
        ({}, True),
        ({"verbs": ("get", "list")}, True),
        ({"verbs": ("watch",)}, False),
        ({"users": ("u-1",)}, True),
        ({"users": ("alice",)}, True),
        ({"users": ("bob",)}, False),
        ({"user_groups": ("github_team://1", "github_team://42")}, True),
        ({"user_groups": ("github_team://1",)}, False),
        ({"clusters": ("prod",)}, True),
        ({"clusters": ("c-1",)}, True),
        ({"clusters": ("test",)}, False),
        ({"namespaces": ("shop",)}, True),
        ({"namespaces": ("",)}, False),
        ({"namespaces": ("shop",), "resources": ("pods",)}, True),
        ({"namespaces": ("x",), "resources": ("pods",)}, False),
        ({"verbs": ("get",), "clusters": ("test",)}, False),
        ({"non_resource_urls": ("*",)}, False),
    ],
)
def test_a_rule_matches_where_all_of_it_does(rule: dict[str, Any], matches: bool) -> None:
    assert silenced(**rule) == matches


@pytest.mark.parametrize(
    ("target", "pattern", "matches"),
    [
        ("/api/v1/pods", "pods", True),
        ("/api/v1/pods", "*", True),
        ("/api/v1/namespaces/x/pods/y/log", "pods", False),
        ("/api/v1/namespaces/x/pods/y/log", "pods/log", True),
        ("/api/v1/namespaces/x/pods/y/log", "pods/*", True),
        ("/api/v1/namespaces/x/pods/y", "pods/*", False),
        ("/api/v1/namespaces/x/pods/y/status", "*/status", True),
        ("/api/v1/namespaces/x/pods/y/log", "*", True),
        ("/apis/apps/v1/deployments", "deployments", False),
        ("/apis/apps/v1/deployments", "deployments.apps", True),
        ("/apis/apps/v1/deployments", "*.apps", True),
        ("/apis/batch/v1/jobs", "*.apps", False),
        ("/apis/apps/v1/namespaces/x/deployments/y/scale", "deployments.apps/scale", True),
        ("/version", "*", False),
    ],
)
def test_a_resource_is_named_as_kubectl_names_it(target: str, pattern: str, matches: bool) -> None:
    assert silenced(target, resources=(pattern,)) == matches


@pytest.mark.parametrize(
    ("target", "pattern", "matches"),
    [
        ("/healthz", "/healthz", True),
        ("/healthz?verbose", "/healthz", True),
        ("/healthz/ping", "/healthz", False),
        ("/healthz/ping", "/healthz*", True),
        ("/version", "/healthz*", False),
        ("/version", "*", True),
    ],
)
def test_a_path_is_matched_whole_or_by_its_beginning(
    target: str, pattern: str, matches: bool
) -> None:
    assert silenced(target, non_resource_urls=(pattern,)) == matches


@pytest.mark.parametrize("path", ["healthz", "/a*b"])
def test_a_path_that_could_never_match_is_refused(path: str) -> None:
    with pytest.raises(ValidationError):
        AuditRule(level="None", non_resource_urls=(path,))


def test_nobody_is_in_a_rule_about_users() -> None:
    policy = AuditPolicy([AuditRule(level="None", users=("u-1",), user_groups=("g",))])
    assert policy.audits(access(resolved=None))
