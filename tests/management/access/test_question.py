"""Questions are read as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from management.access.question import PARAMETERS, InvalidQuestion, question_from
from management.access.resources import resolve


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("secrets", ("", "secrets")),
        ("secret", ("", "secrets")),
        ("po", ("", "pods")),
        ("deploy", ("apps", "deployments")),
        ("deployment.apps", ("apps", "deployments")),
        ("ingress", ("networking.k8s.io", "ingresses")),
        ("netpol", ("networking.k8s.io", "networkpolicies")),
        ("networkpolicy", ("networking.k8s.io", "networkpolicies")),
        ("certificates.cert-manager.io", ("cert-manager.io", "certificates")),
        ("*", ("*", "*")),
        ("widgets", None),
    ],
)
def test_resource_is_found_by_each_of_its_names(
    name: str, expected: tuple[str, str] | None
) -> None:
    assert resolve(name) == expected


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"verb": "get", "resource": "secrets"}, "get secrets in the whole cluster"),
        (
            {"verb": "get", "resource": "secret", "namespace": "shop", "name": "db"},
            'get secrets "db" in namespace "shop"',
        ),
        (
            {"verb": "patch", "resource": "deploy/scale", "namespace": "shop"},
            'patch deployments.apps/scale in namespace "shop"',
        ),
        ({"verb": "get", "resource": "events", "group": ""}, "get events in the whole cluster"),
        ({"verb": "get", "url": "/metrics"}, "get /metrics"),
        ({"verb": "*", "resource": "*"}, "* * in the whole cluster"),
    ],
)
def test_question_is_shown_in_words(given: dict[str, str], text: str) -> None:
    assert str(question_from(given)) == text


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "verb '' is not valid"),
        ({"verb": "GET", "resource": "pods"}, "verb 'GET' is not valid"),
        ({"verb": "get"}, "either resource or url"),
        ({"verb": "get", "resource": "pods", "url": "/x"}, "either resource or url"),
        ({"verb": "get", "resource": "widgets"}, "write it with its API group"),
        ({"verb": "get", "resource": "pods", "namespace": "A B"}, "a DNS label"),
        ({"verb": "get", "url": "metrics"}, "url must be a path"),
        ({"verb": "get", "url": "/metrics", "namespace": "shop"}, "has no namespace"),
        ({"verb": "get", "resource": "pods", "name": "a\nb"}, "one line"),
        ({"verb": "get", "resource": "pods/\n"}, "subresource"),
    ],
)
def test_malformed_question_is_refused_with_the_reason(given: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidQuestion, match=words):
        question_from(given)


def test_place_is_either_one_namespace_or_any() -> None:
    with pytest.raises(InvalidQuestion, match="all_namespaces"):
        question_from({"verb": "get", "resource": "pods", "namespace": "a"}, anywhere=True)


@given(st.dictionaries(st.sampled_from(PARAMETERS), st.text(max_size=300)))
def test_any_text_is_a_question_or_refused_in_one_line(given: dict[str, str]) -> None:
    try:
        text = str(question_from(given))
    except InvalidQuestion as exc:
        text = str(exc)
    assert text.isprintable()
    assert len(text) < 2000
