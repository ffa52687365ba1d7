"""Which events can be searched, how many, and what they contain."""

import json
from dataclasses import replace
from typing import Any

import pytest

from config.audit_settings import SEARCHED, AuditRule
from impersonation.identity import Subject
from management.http.request_notes import REJECTED
from proxy.audit.event import event_line
from proxy.audit.index import MAX_WAITING_BYTES, AuditIndex
from proxy.audit.policy import AuditPolicy
from proxy.audit.search_event import search_event
from proxy.request.context import LogFragments, RequestContext
from store.audit_records import AuditEvent
from store.tables import is_storable
from tests.proxy.request_contexts import authenticated_token, request_context


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def an_index(
    dropped: list[str] | None = None, rules: tuple[AuditRule, ...] = SEARCHED, **values: Any
) -> AuditIndex:
    settings: dict[str, Any] = {"commands": False, "max_per_minute": 1000, "clock": Clock()}
    counted = dropped if dropped is not None else []
    return AuditIndex(AuditPolicy(rules), dropped=counted.append, **(settings | values))


def selected(access: RequestContext, notes: dict[str, str] | None = None) -> bool:
    index = an_index()
    index.offer(access, "ResponseComplete", notes)
    return bool(index.take(10))


POD = "/api/v1/namespaces/shop/pods/web"


@pytest.mark.parametrize(
    ("method", "target", "status", "expected"),
    [
        ("GET", POD, 200, False),
        ("GET", "/api/v1/pods", 200, False),
        ("GET", "/api/v1/pods?watch=1", 200, False),
        ("GET", POD, 404, False),
        ("GET", POD, 500, False),
        ("GET", POD, 403, True),
        ("GET", "/version", 401, True),
        ("GET", "/api/v1/namespaces/shop/secrets", 200, True),
        ("GET", "/api/v1/secrets?watch=1", 200, True),
        ("DELETE", POD, 200, True),
        ("PATCH", "/apis/apps/v1/namespaces/shop/deployments/web/scale", 200, True),
        ("PUT", "/apis/coordination.k8s.io/v1/namespaces/x/leases/y", 200, False),
        ("PUT", "/apis/coordination.k8s.io/v1/namespaces/x/leases/y", 403, True),
        ("POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", 201, False),
        ("POST", "/api/v1/namespaces/shop/serviceaccounts/ci/token", 201, True),
    ],
)
def test_default_rules_select_changes_secrets_and_refusals(
    method: str, target: str, status: int, expected: bool
) -> None:
    assert selected(request_context(method, target, status=status)) == expected


def test_upgrade_is_selected() -> None:
    access = request_context("GET", f"{POD}/exec?command=sh")
    assert selected(replace(access, info=access.info.connecting()))


def test_refusal_of_sekisho_as_missing_is_selected() -> None:
    access = request_context(status=404)
    assert selected(replace(access, rejected=True, cluster="", cluster_id=""))


@pytest.mark.parametrize(
    "notes", [{REJECTED: "bad_password"}, {"user": "u-1", "token": "session-1"}]
)
def test_sign_in_by_a_read_is_selected(notes: dict[str, str]) -> None:
    access = request_context("GET", "/v1/login/github/callback", token=None, status=303)
    assert selected(access, notes)
    assert not selected(access, {"provider": "github"})


def test_decision_about_repeated_requests_is_cached_but_not_for_their_refusals() -> None:
    index = an_index()
    fragments = LogFragments()
    read = request_context("GET", POD, log_fragments=fragments)
    index.offer(read, "ResponseComplete", None)
    assert fragments.searchable is False
    index.offer(replace(read, status=403), "ResponseComplete", None)
    assert [one.code for one in index.take(10)] == [403]


def test_one_user_gets_half_of_the_events_in_a_minute_and_strangers_an_eighth() -> None:
    dropped: list[str] = []
    clock = Clock()
    index = an_index(dropped, max_per_minute=160, clock=clock)
    user = request_context("DELETE", POD)
    stranger = replace(user, token=None, status=401)
    for _ in range(1000):
        index.offer(stranger, "ResponseComplete", None)
        index.offer(stranger, "ResponseComplete", {REJECTED: "bad_password"})
        index.offer(user, "ResponseComplete", None)
    kept = index.take(1000)
    assert sum(one.user_id == "" for one in kept) == 20
    assert sum(one.sign_in for one in kept) == 10
    assert sum(one.user_id == "u-1" for one in kept) == 80
    assert dropped == ["rate"] * 2900
    signed_in = {"user": "u-2", "token": "session-2"}
    index.offer(replace(stranger, status=200), "ResponseComplete", signed_in)
    assert [one.user_id for one in index.take(10)] == ["u-2"]
    clock.now += 61
    index.offer(user, "ResponseComplete", None)
    assert len(index.take(10)) == 1


def test_events_that_wait_for_the_store_are_bounded_in_bytes() -> None:
    dropped: list[str] = []
    index = an_index(dropped, max_per_minute=1_000_000)
    long = request_context("DELETE", f"/{'x' * 5000}", reason="y" * 5000)
    for _ in range(10_000):
        index.offer(long, "ResponseComplete", None)
    kept = index.take(10_000)
    assert 0 < len(kept) < MAX_WAITING_BYTES / 2048
    assert dropped == ["store"] * (10_000 - len(kept))
    index.put_back(kept)
    index.offer(long, "ResponseComplete", None)
    assert dropped == ["store"] * (10_001 - len(kept))
    assert index.take(2) == kept[:2]


def an_event(access: RequestContext, notes: dict[str, str] | None = None) -> AuditEvent:
    return search_event(access, "ResponseComplete", 1_700_000_001.0, commands=False, notes=notes)


def test_event_has_what_explains_a_refusal() -> None:
    access = request_context("GET", "/apis/apps/v1/namespaces/shop/deployments/web/scale")
    impersonated = Subject("bob", None, ("devs",), {"scopes": ("x",)})
    event = an_event(replace(access, status=403, reason="RBAC", impersonated=impersonated))
    assert (event.request_id, event.code, event.outcome) == ("request-1", 403, "refused")
    assert (event.answered_by, event.reason, event.impersonated) == ("cluster", "RBAC", "bob")
    assert (event.user_id, event.username, event.token) == ("u-1", "alice", "token-1")
    assert (event.cluster_id, event.cluster, event.namespace) == ("c-1", "prod", "shop")
    assert (event.verb, event.api_group, event.resource) == ("get", "apps", "deployments")
    assert (event.subresource, event.name) == ("scale", "web")
    assert json.loads(event.details) == {
        "groups": ["github_team://42"],
        "impersonated": {"groups": ["devs"], "extra": {"scopes": ["x"]}},
    }


@pytest.mark.parametrize(
    ("access", "answered_by"),
    [
        (request_context(), "cluster"),
        (request_context(rejected=True), "sekisho"),
        (request_context(cluster_id="", cluster=""), "sekisho"),
        (replace(request_context("POST"), path="/v1/clusters/prod/members"), "sekisho"),
    ],
)
def test_event_names_who_answered(access: RequestContext, answered_by: str) -> None:
    assert an_event(access).answered_by == answered_by


@pytest.mark.parametrize(
    ("code", "outcome"),
    [(101, "success"), (201, "success"), (401, "refused"), (403, "refused"), (429, "limited"),
     (404, "error"), (499, "error"), (503, "error")],
)  # fmt: skip
def test_outcome_is_the_class_of_the_code(code: int, outcome: str) -> None:
    assert an_event(request_context(status=code)).outcome == outcome


def test_event_contains_no_text_that_the_log_does_not_contain() -> None:
    """Queries are redacted, commands hidden, headers and bodies absent, as in the log."""
    target = f"{POD}/exec?command=secret-1&token=secret-2&container=main"
    access = request_context("GET", target, user_agent="agent", status=403)
    line = event_line(access, "ResponseComplete", now="x", commands=False)
    event = an_event(access)
    assert "secret" not in repr(event)
    assert event.path in line
    assert event.path.endswith("?command=[redacted]&token=[redacted]&container=main")


def test_event_with_long_and_unstorable_text_is_bounded_and_storable() -> None:
    groups = [f"ldap_group://{'g' * 500}{number}" for number in range(100)]
    access = request_context("DELETE", f"/api/v1/namespaces/{'n%00' * 900}/pods/%ed%a0%80")
    subject = Subject("s" * 9000, "u" * 9000, tuple(groups), {"k" * 9000: ("v" * 9000,)})
    access = replace(
        access,
        status=403,
        token=authenticated_token(*groups),
        user_agent="a\ud800" * 5000,
        reason="\0" * 5000,
        impersonated=subject,
    )
    event = an_event(access, {"note": "x" * 9000})
    texts = [one for one in (getattr(event, name) for name in event.__slots__) if type(one) is str]
    assert all(map(is_storable, texts))
    assert sum(map(len, texts)) < 8192
