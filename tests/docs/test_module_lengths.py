"""Modules stay short: one with more than 300 lines says in its docstring why."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = [
    "agent",
    "bench",
    "config",
    "impersonation",
    "management",
    "providers",
    "proxy",
    "store",
]
MAX_LINES = 300

LONG_TESTS = {
    "tests/agent/yamux/test_session.py",
    "tests/comparison/test_streams.py",
    "tests/e2e/test_administration_pages.py",
    "tests/faults/test_failover.py",
    "tests/kubernetes/build.py",
    "tests/management/api/v1/test_projects.py",
    "tests/management/authentication/test_token_authenticator.py",
    "tests/management/controllers/test_informer.py",
    "tests/management/desired_state/test_label_policy.py",
    "tests/management/identity/test_identity_refresh.py",
    "tests/management/identity/test_provider_changes.py",
    "tests/management/oauth/test_browser_sign_in.py",
    "tests/management/oauth/test_command_line.py",
    "tests/providers/github/test_sign_in.py",
    "tests/providers/ldap/test_openldap.py",
    "tests/providers/oidc/test_bearer_tokens.py",
    "tests/providers/oidc/test_sign_in.py",
    "tests/providers/test_invalid_responses.py",
    "tests/providers/test_throttle.py",
    "tests/proxy/cli/apply/test_plan.py",
    "tests/proxy/cli/client/test_login.py",
    "tests/proxy/cli/http/test_exchange.py",
    "tests/proxy/cli/test_common.py",
    "tests/proxy/cli/test_error_texts.py",
    "tests/proxy/forwarding/test_relay_responses.py",
    "tests/proxy/forwarding/test_relay_upgrades.py",
    "tests/proxy/transport/test_tls_renewal.py",
    "tests/store/test_identities.py",
    "tests/support/fake_github.py",
}
"""Modules of tests that are too long and give no reason. This list only shrinks: split a module by
idea, or give the reason in its docstring."""


def long_modules(*packages: str) -> list[str]:
    return [
        file.relative_to(ROOT).as_posix()
        for package in packages
        for file in sorted((ROOT / package).rglob("*.py"))
        if len(file.read_text().splitlines()) > MAX_LINES
    ]


def gives_a_reason(module: str) -> bool:
    return "300 lines" in (ast.get_docstring(ast.parse((ROOT / module).read_text())) or "")


@pytest.mark.parametrize("module", long_modules(*PACKAGES))
def test_module_of_more_than_300_lines_gives_a_reason(module: str) -> None:
    assert gives_a_reason(module)


def test_module_of_tests_of_more_than_300_lines_gives_a_reason() -> None:
    unexplained = {module for module in long_modules("tests") if not gives_a_reason(module)}
    assert sorted(unexplained - LONG_TESTS) == []
    assert sorted(LONG_TESTS - unexplained) == [], "these lines are no longer needed"
