"""Rules that decide which requests are audited."""

from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from config.audit_settings import AuditRule
from proxy.audit.policy import AuditPolicy
from tests.proxy.request_contexts import authenticated_token, request_context


def silenced(target: str = "/api/v1/namespaces/shop/pods/web", **rule: Any) -> bool:
    """Return whether a rule of level None with these fields matches a GET of ``target``."""
    policy = AuditPolicy([AuditRule(level="None", **rule)])
    return not policy.audits(request_context("GET", target))


def test_policy_without_a_matching_rule_audits_the_request() -> None:
    assert AuditPolicy([]).audits(request_context())
    assert AuditPolicy([AuditRule(level="None", verbs=("watch",))]).audits(request_context())


def test_policy_uses_the_first_matching_rule() -> None:
    never = AuditRule(level="None")
    secrets = AuditRule(level="Metadata", resources=("secrets",))
    assert AuditPolicy([secrets, never]).audits(request_context("GET", "/api/v1/secrets"))
    assert not AuditPolicy([secrets, never]).audits(request_context("GET", "/api/v1/pods"))
    assert not AuditPolicy([never, secrets]).audits(request_context("GET", "/api/v1/secrets"))


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
def test_rule_matches_if_all_its_fields_match(rule: dict[str, Any], matches: bool) -> None:
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
def test_rule_matches_resources_in_the_notation_of_kubectl(
    target: str, pattern: str, matches: bool
) -> None:
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
def test_rule_matches_a_path_or_its_prefix(target: str, pattern: str, matches: bool) -> None:
    assert silenced(target, non_resource_urls=(pattern,)) == matches


@pytest.mark.parametrize("path", ["healthz", "/a*b"])
def test_rule_with_a_path_that_cannot_match_is_rejected(path: str) -> None:
    with pytest.raises(ValidationError):
        AuditRule(level="None", non_resource_urls=(path,))


def test_rule_for_users_does_not_match_an_anonymous_request() -> None:
    policy = AuditPolicy([AuditRule(level="None", users=("u-1",), user_groups=("g",))])
    assert policy.audits(request_context(token=None))


@pytest.mark.parametrize(
    ("named", "matches"),
    [("alice", False), ("github:alice", True), ("github_user://1", True), ("lab:alice", False)],
)
def test_rule_for_a_local_name_does_not_match_that_name_at_another_provider(
    named: str, matches: bool
) -> None:
    resolved = authenticated_token()
    resolved.identity = replace(
        resolved.identity, provider="github", principal_id="github_user://1"
    )
    policy = AuditPolicy([AuditRule(level="None", users=(named,))])
    assert policy.audits(request_context("GET", "/api", token=resolved)) is not matches
