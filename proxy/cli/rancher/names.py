"""Names at Sekisho for what Rancher calls by names that may repeat or may not be shown. Pure."""

from collections.abc import Iterable

from impersonation.display_names import visible

LONGEST_NAME, LONGEST_LINE = 64, 256
"""Characters that the API accepts in a name and in a description."""


class NameTable:
    """Gives each id a name of its own. ``taken`` are names that are not available."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = {one.casefold() for one in taken}
        self._names: dict[str, str] = {}

    def name(self, object_id: str, shown: str) -> str:
        """Return the name of an object: what Rancher shows, with the id if that is taken."""
        if object_id not in self._names:
            name = line(shown, LONGEST_NAME) or object_id
            if name.casefold() in self._taken:
                rest = line(shown, LONGEST_NAME - len(object_id) - 3)
                name = f"{rest} ({object_id})"[:LONGEST_NAME].strip()
            self._taken.add(name.casefold())
            self._names[object_id] = name
        return self._names[object_id]


def line(text: str, longest: int = LONGEST_LINE) -> str:
    """Return a text as one visible line, cut to ``longest`` characters."""
    return visible(text)[: max(longest, 0)].strip()
