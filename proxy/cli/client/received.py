"""Objects that a server sent. A missing field is an error of the server, not a defect."""

from collections.abc import Mapping
from typing import Any, NoReturn

from proxy.cli.common import CommandFailed


class Received(dict[str, Any]):
    """An object of a response. Reading a field that it lacks fails with one line."""

    def __missing__(self, key: str) -> NoReturn:
        """Raise CommandFailed."""
        raise CommandFailed(
            f'the server\'s response has no "{key}": is it Sekisho, and of this version?'
        )


def received(value: object) -> Received:
    """Return a JSON value as an object. Raises CommandFailed if it is none."""
    if not isinstance(value, Mapping):
        raise CommandFailed("the server's response is not an object: is it Sekisho?")
    return Received(value)
