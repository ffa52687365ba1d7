"""Tests of names and keys of namespaces that are for administrators only."""

import pytest
from pydantic import ValidationError

from config.namespace_settings import NamespaceSettings

DEFAULT = NamespaceSettings()


@pytest.mark.parametrize(
    ("key", "guarded"),
    [
        ("pod-security.kubernetes.io/enforce", True),
        ("istio-injection", True),
        ("scheduler.alpha.kubernetes.io/node-selector", True),
        ("openshift.io/sa.scc.mcs", True),
        ("sekisho.io/anything", True),
        ("tool.example.com/skip", True),
        ("team", False),
        ("app.kubernetes.io/name", False),
        ("istio-injection-of-mine", False),
    ],
)
def test_is_guarded_of_keys_that_affect_policies(key: str, guarded: bool) -> None:
    assert DEFAULT.is_guarded(key) is guarded


def test_free_keys_with_an_asterisk_excludes_guarded_keys() -> None:
    settings = NamespaceSettings(free_keys=("*",))
    assert not settings.is_guarded("tool.example.com/skip")
    assert settings.is_guarded("pod-security.kubernetes.io/enforce")
    assert settings.is_guarded("sekisho.io/project")


def test_is_system_of_sekishos_namespace_is_true() -> None:
    settings = NamespaceSettings(system_names=("infra-*",))
    assert settings.is_system("sekisho-system")
    assert settings.is_system("infra-dns")
    assert not settings.is_system("kube-mine")
    assert all(map(DEFAULT.is_system, ("kube-x", "openshift-x", "cattle-x", "default")))
    assert not any(map(DEFAULT.is_system, ("kubectl", "defaults", "my-kube-x")))


@pytest.mark.parametrize("bad", ["", "a*b", "**", "a b", "é", "x" * 300, "a\nb"])
def test_invalid_pattern_is_rejected(bad: str) -> None:
    with pytest.raises(ValidationError):
        NamespaceSettings(guarded_keys=(bad,))
