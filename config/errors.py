"""Errors that a command reports on one line each. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass


class UserError(Exception):
    """An expected error. The message is written for the person who runs Sekisho.

    Commands print it without a traceback. An exception of another class is a defect.
    """

    @property
    def lines(self) -> tuple[str, ...]:
        """What to print: one line for each problem."""
        return (str(self),)


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem of a file. ``place`` is a file with a line, or an environment variable.

    ``key`` is dotted.
    """

    place: str
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.key, self.message) if part)


def system_reason(exc: Exception) -> str:
    """Return why the system refused something, to follow a colon: ``permission denied``."""
    return (getattr(exc, "strerror", None) or str(exc)).lower()


class InvalidInput(UserError):
    """What a user wrote is not valid. Contains all problems, so that one run shows them all."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)

    @property
    def lines(self) -> tuple[str, ...]:
        """One line for each problem."""
        return tuple(map(str, self.problems))
