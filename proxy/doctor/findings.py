"""Findings of the examination: what was checked, and what to do if it is wrong. Pure."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass


class Status(enum.StrEnum):
    """The result of a check, the worst last."""

    OK = "ok"
    SKIPPED = "skipped"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check. ``subject`` is what was checked; a problem has a ``remedy``."""

    check: str
    subject: str
    status: Status
    message: str
    remedy: str = ""


def ok(check: str, subject: str, message: str) -> Finding:
    """Return a finding that needs nothing."""
    return Finding(check, subject, Status.OK, message)


def skipped(check: str, subject: str, message: str) -> Finding:
    """Return a finding about what could not be checked, or need not be."""
    return Finding(check, subject, Status.SKIPPED, message)


def warning(check: str, subject: str, message: str, remedy: str) -> Finding:
    """Return a finding that will become a problem, or is one for some users."""
    return Finding(check, subject, Status.WARNING, message, remedy)


def error(check: str, subject: str, message: str, remedy: str) -> Finding:
    """Return a finding that prevents Sekisho, or a part of it, from working."""
    return Finding(check, subject, Status.ERROR, message, remedy)


def has_errors(findings: Iterable[Finding]) -> bool:
    """Return whether any finding is an error."""
    return any(one.status is Status.ERROR for one in findings)
