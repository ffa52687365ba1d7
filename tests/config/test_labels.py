"""Tests of labels and selectors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.labels import InvalidSelector, Selector, is_label_key, is_label_value

KEYS = st.from_regex(r"[a-z]([a-z0-9.-]{0,8}[a-z0-9])?", fullmatch=True)
LABELS = st.dictionaries(KEYS, st.sampled_from(["", "a", "b", "x.y-z_1"]), max_size=4)


@pytest.mark.parametrize("key", ["team", "example.com/team", "a_b.c-d", "A", "x" * 63])
def test_label_key_that_kubernetes_accepts_is_valid(key: str) -> None:
    assert is_label_key(key)


@pytest.mark.parametrize(
    "key", ["", "-a", "a-", "a/b/c", "/a", "Example.com/a", "x" * 64, "a b", "a\n", "é"]
)
def test_label_key_that_kubernetes_refuses_is_invalid(key: str) -> None:
    assert not is_label_key(key)


@pytest.mark.parametrize("value", ["-", "a b", "x" * 64, "a\n", "a=b"])
def test_label_value_that_kubernetes_refuses_is_invalid(value: str) -> None:
    assert not is_label_value(value)


@pytest.mark.parametrize(
    ("selector", "labels", "matches"),
    [
        ("team=shop", {"team": "shop"}, True),
        ("team==shop", {"team": "shop"}, True),
        ("team=shop", {"team": "web"}, False),
        ("team=shop", {}, False),
        ("team!=shop", {}, True),
        ("team!=shop", {"team": "shop"}, False),
        ("team", {"team": ""}, True),
        ("team", {}, False),
        ("!team", {}, True),
        ("! team", {"team": ""}, False),
        ("team=", {"team": ""}, True),
        ("team = shop , !old", {"team": "shop"}, True),
        ("team=shop,!old", {"team": "shop", "old": ""}, False),
    ],
)
def test_selector_matches_labels_as_kubectl_does(
    selector: str, labels: dict[str, str], matches: bool
) -> None:
    assert Selector.parse(selector).matches(labels) is matches


@pytest.mark.parametrize(
    "text", ["", ",", "a,", "a=b=c", "a!b", "=x", "a in (b)", "a=b c", "!", "a," * 30 + "a", "!!a"]
)
def test_invalid_selector_is_refused_with_the_supported_forms(text: str) -> None:
    with pytest.raises(InvalidSelector, match=r"key=value|more than"):
        Selector.parse(text)


@given(st.text(max_size=80))
def test_any_text_is_a_selector_or_refused(text: str) -> None:
    try:
        Selector.parse(text).matches({"a": "b"})
    except InvalidSelector:
        pass


@given(LABELS.filter(bool), LABELS)
def test_selector_of_labels_matches_exactly_their_supersets(
    wanted: dict[str, str], labels: dict[str, str]
) -> None:
    selector = Selector.parse(",".join(f"{key}={value}" for key, value in wanted.items()))
    assert selector.matches(labels) is (wanted.items() <= labels.items())
