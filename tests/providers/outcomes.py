"""Outcomes that the contract of a provider allows, and variants of responses.

Any other error would be a status 500 at sign-in, and a traceback in the refresh. The tests
change valid responses one field at a time, and replace whole responses.
"""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from providers.base import (
    CannotRefresh,
    DeviceStart,
    ExternalIdentity,
    GrantEnded,
    Pending,
    ProviderUnavailable,
    Rejected,
)

Work = Callable[[], Awaitable[Any]]
BODIES = {
    "nothing": "",
    "a web page": "<!doctype html><html><body>Sign in</body></html>",
    "text": "upstream connect error",
    "null": "null",
    "a number": "7",
    "a text": '"ok"',
    "a list": "[]",
    "a list of odd things": '[null, 7, "x", [], {}, {"id": null}]',
    "an object": "{}",
    "NaN": "NaN",
    "deep nesting": "[" * 50_000,
    "deep objects": '{"a":' * 50_000,
    "a number without end": "9" * 5000,
    "half a text": '{"sub": "',
    "half a character": '{"error": "\\ud800", "message": "\\ud800", "sub": "\\ud800"}',
    "errors of odd types": '{"error": {"a": 1}, "error_description": [], "message": {}}',
}
STATUSES = (200, 301, 400, 401, 403, 429, 500)
VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 1e308, float("inf"), float("nan"), 10**30, "", " ", "\ud800", "\0"),
    *("x" * 5000, [], {}, [[]], [None], {"id": None}, "9" * 400, "-1", "http://evil.example"),
)


async def outcome_of(work: Work) -> str:
    """Return the kind of outcome. Fail the test if the contract does not allow it."""
    try:
        outcome = await work()
    except (ProviderUnavailable, GrantEnded, CannotRefresh) as exc:
        return _one_line(exc)
    assert outcome is None or isinstance(
        outcome, ExternalIdentity | Rejected | Pending | DeviceStart | list | str
    ), outcome
    return type(outcome).__name__


def _one_line(exc: Exception) -> str:
    assert "\n" not in str(exc)
    assert len(str(exc)) < 1000
    return type(exc).__name__


def changed(response: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield copies of the response with each field in turn removed or replaced."""
    for name in response:
        yield {key: value for key, value in response.items() if key != name}
        for value in VALUES:
            yield response | {name: value}
