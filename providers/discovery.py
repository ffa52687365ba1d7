"""Find provider types, from this package and from every other installed one."""

import importlib.metadata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from config.errors import UserError
from providers.base import ENTRY_POINTS, ProviderType


class BrokenProviderType(UserError):
    """An installed provider type is not usable. The message names its distribution."""


@dataclass(frozen=True, slots=True)
class ProviderEntryPoint:
    """An entry point that may name a provider type. Loading it runs its package's code."""

    name: str
    entry_point: importlib.metadata.EntryPoint
    claimed_twice: bool

    @property
    def distribution(self) -> str:
        """The name of the distribution that has the entry point."""
        return self.entry_point.dist.name if self.entry_point.dist else "an unknown distribution"

    def load(self) -> ProviderType:
        """Return the provider type. Raises BrokenProviderType."""
        if self.claimed_twice:
            raise BrokenProviderType(
                f"several installed distributions have a provider type {self.name!r}: "
                "uninstall all but one"
            )
        try:
            loaded: ProviderType = self.entry_point.load()
        except Exception as exc:
            raise BrokenProviderType(
                f"the provider type {self.name!r} of {self.distribution} cannot be loaded: "
                f"{type(exc).__name__}: {exc}"
            ) from exc
        missing = [part for part in _PARTS if not hasattr(loaded, part)]
        if missing:
            raise BrokenProviderType(
                f"the provider type {self.name!r} of {self.distribution} lacks {missing[0]}"
            )
        return loaded


_PARTS = ("settings_model", "schemes", "create")


def discover() -> Mapping[str, ProviderEntryPoint]:
    """Return every installed provider type by name, without loading any."""
    points = list(importlib.metadata.entry_points(group=ENTRY_POINTS))
    # A distribution may be found at two places of the path; it counts once.
    claims = Counter({(point.name, point.value): 1 for point in points})
    times = Counter(name for name, _ in claims)
    return {
        point.name: ProviderEntryPoint(point.name, point, times[point.name] > 1) for point in points
    }
