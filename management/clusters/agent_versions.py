"""Compare an agent's version with the server's. Pure."""

import re

_VERSION = re.compile(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?")

SUPPORTED_MINORS = 2
"""Agents of so many minor versions before the server's are supported."""


def is_older(agent: str, server: str) -> bool:
    """Return whether an agent's version is older than the server's. An unknown one is not."""
    one, other = _numbers(agent), _numbers(server)
    return one is not None and other is not None and one < other


def is_supported(agent: str, server: str) -> bool:
    """Return whether a server supports an older agent: of its major version, and not too old."""
    one, other = _numbers(agent), _numbers(server)
    if one is None or other is None:
        return True
    return one[0] == other[0] and other[1] - one[1] <= SUPPORTED_MINORS


def _numbers(version: str) -> tuple[int, int, int] | None:
    found = _VERSION.match(version)
    return (int(found[1]), int(found[2]), int(found[3] or 0)) if found else None
