"""Events without an authenticated user have a budget and a file for events above it."""

from dataclasses import replace
from pathlib import Path

from pydantic import ByteSize

from config.audit_settings import AuditSettings
from config.settings import Settings
from management.http.request_notes import REJECTED
from proxy.audit.anonymous_budget import AnonymousBudget
from proxy.audit.log import AuditLog
from proxy.audit.setup import open_audit_log
from tests.proxy.request_contexts import request_context


def test_budget_is_exhausted_and_refills_with_time() -> None:
    now = 0.0
    budget = AnonymousBudget(8 * 86400, lambda: now)
    assert budget.take(86400)
    assert not budget.take(1)
    now = 10.0
    assert budget.take(80)
    assert not budget.take(1)


class _Callbacks:
    def __init__(self) -> None:
        self.all: list[object] = []

    def callback(self, callback: object) -> object:
        self.all.append(callback)
        return callback

    def close(self) -> None:
        for one in reversed(self.all):
            assert callable(one)
            one()


def _opened(folder: Path, dropped: list[int]) -> tuple[AuditLog, _Callbacks]:
    audit = AuditSettings(file=folder / "audit.log", max_size=ByteSize(200_000), max_backups=2)
    stack = _Callbacks()
    made = open_audit_log(Settings(audit=audit), lambda: None, stack, lambda: dropped.append(1))
    assert made is not None
    return made, stack


def test_anonymous_event_flood_displaces_no_events_of_users(tmp_path: Path) -> None:
    dropped: list[int] = []
    log, stack = _opened(tmp_path, dropped)
    log.completed(request_context("GET", "/of-a-user"))
    anonymous = replace(
        request_context("GET", "/of-anonymous"),
        token=None,
        user_agent="x" * 5000,
        target="/" + "y" * 5000,
    )
    for _ in range(10_000):
        log.completed(anonymous)
    log.completed(request_context("DELETE", "/of-a-user"))
    stack.close()
    kept = "".join(one.read_text() for one in tmp_path.glob("audit.log*"))
    assert kept.count("/of-a-user") == 2
    assert "yyy" in kept
    assert "yyy" in (tmp_path / "audit-anonymous.log").read_text()
    assert len(list(tmp_path.glob("audit-anonymous.log*"))) == 2


def test_anonymous_event_flood_keeps_rejected_sign_ins_in_the_audit_log(tmp_path: Path) -> None:
    log, stack = _opened(tmp_path, [])
    anonymous = replace(
        request_context("POST", "/v1/login/local"), token=None, user_agent="x" * 5000
    )
    for _ in range(5000):
        log.completed(anonymous)
    log.completed(anonymous, {REJECTED: "bad_password"})
    log.completed(anonymous, {"user": "u-1"})
    stack.close()
    kept = "".join(one.read_text() for one in tmp_path.glob("audit.log*"))
    assert "bad_password" in kept
    assert '"sekisho.io/user":"u-1"' in kept
