"""Retry-After: sent at the start of an outage, and not later."""

import ast
from collections.abc import Iterator
from pathlib import Path

from proxy.upstream.outage import FIRST_SECONDS, FORGOTTEN_SECONDS, Outage

ROOT = Path(__file__).parents[3]

REASONS = {
    "proxy/auth/authenticator.py _authenticate": "an outage: of the store, or of an issuer",
    "proxy/forwarding/endings.py _repeatable": "a change that is over in a moment, or a stop",
    "proxy/response/relay.py ended_early": "a change that is over in a moment, or a stop",
    "proxy/forwarding/failures.py status_for_upstream_error": "an outage, and a limit (429)",
    "proxy/forwarding/failures.py status_for_limit": "a limit",
    "proxy/response/parse_errors.py status_for_parse_error": "a limit",
    "proxy/auth/impersonation.py nested_identity": "an outage: the cluster can't be queried",
    "proxy/auth/request_authorizer.py _credential": "an outage: the cluster can't be queried",
    "proxy/upstream/pool.py _connect": "a change that is over in a moment",
    "proxy/upstream/pool.py connect": "an outage, and a change that is over in a moment",
}
"""Each function that sets Retry-After, and the reason."""


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_retry_after_is_sent_only_in_the_first_seconds() -> None:
    clock = Clock()
    outage = Outage(clock)
    assert outage.record_failure() == 1
    clock.now += FIRST_SECONDS - 0.1
    assert outage.record_failure() == 1
    for _ in range(100):
        clock.now += 1
        assert outage.record_failure() is None
    outage.record_success()
    assert outage.record_failure() == 1


def test_failure_long_after_an_outage_starts_a_new_one() -> None:
    clock = Clock()
    outage = Outage(clock)
    outage.record_failure()
    clock.now += FORGOTTEN_SECONDS + 1
    assert outage.record_failure() == 1


def places() -> Iterator[str]:
    """Yield the proxy's functions that pass ``retry_after`` to a call."""
    for path in sorted((ROOT / "proxy").rglob("*.py")):
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.Call) and any(
                        keyword.arg == "retry_after" for keyword in node.keywords
                    ):
                        yield f"{path.relative_to(ROOT).as_posix()} {function.name}"


def test_each_function_with_retry_after_is_listed() -> None:
    assert set(places()) == set(REASONS)
