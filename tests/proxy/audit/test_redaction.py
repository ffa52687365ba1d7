"""Redaction of request targets for the audit log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.audit.redaction import REDACTED, redact_target

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
def test_redacted_target_keeps_only_parameters_of_kubernetes(target: str, shown: str) -> None:
    assert redact_target(target, commands=False) == shown


def test_redacted_target_keeps_commands_if_configured_but_not_of_proxied_requests() -> None:
    assert redact_target(f"{POD}/exec?command=ls", commands=True).endswith("?command=ls")
    assert redact_target(f"{POD}/proxy/?command=ls", commands=True).endswith(f"={REDACTED}")


@given(st.text("abclimt=&%?", max_size=30), st.booleans())
def test_redacted_target_hides_unknown_parameters(query: str, commands: bool) -> None:
    target = f"/api/v1/pods?{query}&secret=s3cret"
    assert "s3cret" not in redact_target(target, commands=commands)
