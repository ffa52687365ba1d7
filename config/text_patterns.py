"""Patterns of texts in models, with what they mean, which is what a refusal names. Pure."""

from collections.abc import Mapping
from typing import Any

_MEANINGS: dict[str, str] = {}


def described(pattern: str, meaning: str) -> str:
    """Return ``pattern`` for a field of a model. ``meaning`` follows "must be" in refusals."""
    _MEANINGS[pattern] = meaning
    return pattern


def ends_alike(most: int, others: str) -> str:
    """Return the meaning of the patterns of names in Kubernetes (RFC 1123)."""
    return f"1 to {most} of a-z, 0-9, {others}, with a letter or digit at both ends"


def message_of(detail: Mapping[str, Any]) -> str:
    """Return the message of a validation error of pydantic, to follow the field's name."""
    if detail["type"] == "string_pattern_mismatch":
        pattern = detail.get("ctx", {}).get("pattern")
        if pattern in _MEANINGS:
            return f"must be {_MEANINGS[pattern]}"
    return str(detail["msg"]).removeprefix("Value error, ")


NO_SPACES = "printable ASCII characters without spaces"
WORD = described(r"^[!-~]+$", NO_SPACES)
WORD_OR_NONE = described(r"^[!-~]*$", f"{NO_SPACES}, or empty")
