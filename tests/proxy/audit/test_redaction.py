"""A target as it may stand in an audit log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.shown_target import REDACTED, shown_target

POD = "/api/v1/namespaces/x/pods/y"


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/api/v1/pods", "/api/v1/pods"),
        ("/api/v1/pods?limit=500&continue=abc", "/api/v1/pods?limit=500&continue=abc"),
        ("/api/v1/pods?labelSelector=a%3Db", "/api/v1/pods?labelSelector=a%3Db"),
        ("/api/v1/pods?token=s3cret", f"/api/v1/pods?token={REDACTED}"),
        ("/api/v1/pods?s3cret", f"/api/v1/pods?{REDACTED}"),
        (f"{POD}/proxy/login?limit=s3cret", f"{POD}/proxy/login?limit={REDACTED}"),
        (f"{POD}/exec?command=s3cret&tty=true", f"{POD}/exec?command={REDACTED}&tty=true"),
    ],
)
def test_only_what_kubernetes_itself_understands_is_shown(target: str, shown: str) -> None:
    assert shown_target(target, commands=False) == shown


def test_commands_are_shown_if_asked_for_but_never_behind_a_proxy() -> None:
    assert shown_target(f"{POD}/exec?command=ls", commands=True).endswith("?command=ls")
    assert shown_target(f"{POD}/proxy/?command=ls", commands=True).endswith(f"={REDACTED}")


@given(st.text("abclimt=&%?", max_size=30), st.booleans())
def test_a_secret_under_any_other_name_is_not_shown(query: str, commands: bool) -> None:
    target = f"/api/v1/pods?{query}&secret=s3cret"
    assert "s3cret" not in shown_target(target, commands=commands)
