"""One request as an audit.k8s.io/v1 Event."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from impersonation.identity import Subject
from proxy.access import Access
from proxy.audit_event import event_line
from proxy.timestamps import rfc3339
from tests.proxy.accesses import access, caller


def event(of: Access, stage: Any = "ResponseComplete", **options: Any) -> dict[str, Any]:
    line = event_line(
        of, stage, now=rfc3339(of.received + 1), commands=options.pop("commands", False)
    )
    assert "\n" not in line
    parsed: dict[str, Any] = json.loads(line)
    return parsed


def test_an_event_says_who_did_what_where_and_what_came_of_it() -> None:
    of = access("GET", "/apis/apps/v1/namespaces/shop/deployments/web/scale?pretty=true")
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


def test_somebody_unknown_is_anonymous_and_a_refusal_has_its_reason() -> None:
    of = access(resolved=None, cluster="", code=401, refused=True, note="no credential")
    seen = event(of)
    assert seen["user"] == {
        "username": "system:anonymous",
        "groups": ["system:unauthenticated"],
    }
    assert seen["annotations"] == {
        "sekisho.io/answered-by": "sekisho",
        "sekisho.io/reason": "no credential",
    }


def test_on_whose_behalf_is_said_beside_who() -> None:
    wish = Subject("bob", "7", ("ops",), {"scopes": ("a", "b")})
    seen = event(access(acting_as=wish))
    assert seen["user"]["username"] == "u-1"
    assert seen["impersonatedUser"] == {
        "username": "bob",
        "uid": "7",
        "groups": ["ops"],
        "extra": {"scopes": ["a", "b"]},
    }


def test_commands_of_exec_are_shown_only_if_asked_for() -> None:
    of = access("GET", "/api/v1/namespaces/x/pods/y/exec?command=mysql&command=-psecret&stdin=true")
    assert "secret" not in json.dumps(event(of))
    assert event(of)["requestURI"].endswith("exec?command=[redacted]&command=[redacted]&stdin=true")
    assert event(of, commands=True)["requestURI"].endswith("command=-psecret&stdin=true")


def test_a_request_that_is_about_no_resource_has_no_object() -> None:
    assert "objectRef" not in event(access("GET", "/version"))


@given(st.text(), st.text(), st.text(), st.text())
def test_whatever_somebody_is_called_or_sends_is_one_line_of_json(
    name: str, group: str, agent: str, note: str
) -> None:
    of = access(resolved=caller(group, username=name), user_agent=agent, note=note or "x")
    of.acting_as = Subject(name, None, (group,), {group: (name,)})
    seen = event(of)
    assert seen["user"]["extra"]["username"] == [name]
    assert seen["userAgent"] == agent[:512]
    assert seen["annotations"]["sekisho.io/reason"] == (note or "x")
    assert seen["impersonatedUser"]["extra"] == {group: [name]}
