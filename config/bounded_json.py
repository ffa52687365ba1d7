"""Read JSON that is not trusted: limited depth, each key once, finite numbers only.

:mod:`json` alone accepts several values of a key (the last one wins), ``NaN`` (not valid JSON),
integers whose conversion takes quadratic time, and numbers that become infinite. For deeply nested
text it raises RecursionError, which is not a ValueError.
"""

import json
import math
from typing import Any

MAX_DEPTH = 64
"""Levels of nested arrays and objects."""

MAX_DIGITS = 64
"""Digits of an integer: more than any id, size or time needs."""


class InvalidJson(ValueError):
    """The text is not valid JSON, or is ambiguous."""


def load_json(raw: str | bytes) -> Any:
    """Return the value of a JSON text (RFC 8259). Raises InvalidJson."""
    try:
        value = json.loads(
            raw.decode("utf-8") if isinstance(raw, bytes) else raw,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_int=_integer,
            parse_float=_number,
        )
    except RecursionError:
        raise InvalidJson("it is nested too deeply") from None
    except InvalidJson:
        raise
    except ValueError as exc:
        raise InvalidJson("it is not valid JSON") from exc
    _check_depth(value)
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise InvalidJson(f"a key occurs twice: {key[:64]!a}")
        found[key] = value
    return found


def _constant(name: str) -> Any:
    raise InvalidJson(f"{name} is not a number")


def _integer(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise InvalidJson("a number has too many digits")
    return int(text)


def _number(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise InvalidJson("a number is too large")
    return value


def _check_depth(value: Any) -> None:
    """Visit the collections level by level, without recursion."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        level = [child for one in level for child in _children(one)]
        if not level:
            return
    raise InvalidJson(f"it is nested more than {MAX_DEPTH} levels deep")


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [one for one in value.values() if isinstance(one, dict | list)]
    if isinstance(value, list):
        return [one for one in value if isinstance(one, dict | list)]
    return []
