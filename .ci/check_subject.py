"""Refuse a commit whose subject is too long: ``check_subject.py FILE``, as a commit-msg hook."""

import sys
from pathlib import Path

MAX_CHARACTERS = 72
"""What ``git log --oneline`` and forges show of a subject without cutting it."""

_SCISSORS = "------------------------ >8 ------------------------"
_FROM_GIT = ("fixup! ", "squash! ", "amend! ", "Merge ", "Revert ")
"""Subjects that git writes by itself. They repeat another subject, with a prefix."""


def subject(message: str) -> str:
    """Return the first line of a commit message that is neither empty nor a comment."""
    for line in message.partition(_SCISSORS)[0].splitlines():
        if line.strip() and not line.startswith("#"):
            return line.rstrip()
    return ""


def problem(message: str) -> str | None:
    """Return a sentence that says what to change, or None if the subject is short enough."""
    found = subject(message)
    if len(found) <= MAX_CHARACTERS or found.startswith(_FROM_GIT):
        return None
    return (
        f"The subject has {len(found)} characters, {MAX_CHARACTERS} are allowed. "
        "Write what changes in the subject, and why in the body."
    )


def main() -> int:
    """Check the message in the file that git names; return the exit code."""
    found = problem(Path(sys.argv[1]).read_text(encoding="utf-8"))
    if found:
        sys.stderr.write(found + "\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
