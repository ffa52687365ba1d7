"""Audit events in the format of audit.k8s.io/v1."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from impersonation.identity import Subject
from proxy.audit.event import event_line
from proxy.logs.timestamps import rfc3339
from proxy.request.context import RequestContext
from tests.proxy.request_contexts import authenticated_token, request_context


def event(of: RequestContext, stage: Any = "ResponseComplete", **options: Any) -> dict[str, Any]:
    line = event_line(
        of, stage, now=rfc3339(of.received_at + 1), commands=options.pop("commands", False)
    )
    assert "\n" not in line
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def test_event_contains_user_object_and_response() -> None:
    of = request_context("GET", "/apis/apps/v1/namespaces/shop/deployments/web/scale?pretty=true")
    assert event(of) == {
        "kind": "Event",
        "apiVersion": "audit.k8s.io/v1",
        "level": "Metadata",
        "auditID": "request-1",
        "stage": "ResponseComplete",
        "requestURI": "/apis/apps/v1/namespaces/shop/deployments/web/scale?pretty=true",
        "verb": "get",
        "user": {
            "username": "u-1",
            "uid": "u-1",
            "groups": ["github_team://42", "system:authenticated", "sekisho:authenticated"],
            "extra": {
                "username": ["alice"],
                "principalid": ["local://u-1"],
                "authentication.kubernetes.io/credential-id": ["token-1"],
            },
        },
        "sourceIPs": ["192.0.2.7"],
        "userAgent": "kubectl/v1.36.3",
        "objectRef": {
            "resource": "deployments",
            "namespace": "shop",
            "name": "web",
            "apiGroup": "apps",
            "apiVersion": "v1",
            "subresource": "scale",
        },
        "responseStatus": {"metadata": {}, "code": 200},
        "requestReceivedTimestamp": "2023-11-14T22:13:20.500000Z",
        "stageTimestamp": "2023-11-14T22:13:21.500000Z",
        "annotations": {"sekisho.io/cluster": "prod", "sekisho.io/cluster-id": "c-1"},
    }


def test_event_of_a_rejected_request_without_user_is_anonymous_with_the_reason() -> None:
    of = request_context(token=None, cluster="", status=401, rejected=True, reason="no credential")
    seen = event(of)
    assert seen["user"] == {
        "username": "system:anonymous",
        "groups": ["system:unauthenticated"],
    }
    assert seen["annotations"] == {
        "sekisho.io/answered-by": "sekisho",
        "sekisho.io/reason": "no credential",
    }


def test_event_contains_the_impersonated_user_and_the_original_one() -> None:
    subject = Subject("bob", "7", ("ops",), {"scopes": ("a", "b")})
    seen = event(request_context(impersonated=subject))
    assert seen["user"]["username"] == "u-1"
    assert seen["impersonatedUser"] == {
        "username": "bob",
        "uid": "7",
        "groups": ["ops"],
        "extra": {"scopes": ["a", "b"]},
    }


def test_event_contains_exec_commands_only_if_configured() -> None:
    of = request_context(
        "GET", "/api/v1/namespaces/x/pods/y/exec?command=mysql&command=-psecret&stdin=true"
    )
    assert "secret" not in json.dumps(event(of))
    assert event(of)["requestURI"].endswith("exec?command=[redacted]&command=[redacted]&stdin=true")
    assert event(of, commands=True)["requestURI"].endswith("command=-psecret&stdin=true")


def test_event_of_a_non_resource_request_has_no_object() -> None:
    assert "objectRef" not in event(request_context("GET", "/version"))


@given(st.text(), st.text(), st.text(), st.text())
def test_event_with_any_text_is_one_line_of_json(
    name: str, group: str, agent: str, note: str
) -> None:
    of = request_context(
        token=authenticated_token(group, username=name), user_agent=agent, reason=note or "x"
    )
    of.impersonated = Subject(name, None, (group,), {group: (name,)})
    seen = event(of)
    assert seen["user"]["extra"]["username"] == [name]
    assert seen["userAgent"] == agent[:512]
    assert seen["annotations"]["sekisho.io/reason"] == (note or "x")
    assert seen["impersonatedUser"]["extra"] == {group: [name]}
