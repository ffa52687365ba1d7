"""Finding provider types: those of this package and of every other one that is installed."""

import importlib.metadata
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from providers.base import ENTRY_POINTS, ProviderType


class BrokenProviderType(Exception):
    """An installed provider type can't be used. The message names its distribution."""


@dataclass(frozen=True, slots=True)
class Found:
    """An entry point that may hold a provider type; loading it runs its package's code."""

    name: str
    entry_point: importlib.metadata.EntryPoint
    claimed_twice: bool

    @property
    def distribution(self) -> str:
        """Who brings it."""
        return self.entry_point.dist.name if self.entry_point.dist else "an unknown distribution"

    def load(self) -> ProviderType:
        """The provider type. Raises BrokenProviderType."""
        if self.claimed_twice:
            raise BrokenProviderType(
                f"several installed distributions bring a provider type {self.name!r}: "
                "uninstall all but one"
            )
        try:
            loaded: ProviderType = self.entry_point.load()
        except Exception as exc:
            raise BrokenProviderType(
                f"the provider type {self.name!r} of {self.distribution} can't be loaded: "
                f"{type(exc).__name__}: {exc}"
            ) from exc
        missing = [part for part in _PARTS if not hasattr(loaded, part)]
        if missing:
            raise BrokenProviderType(
                f"the provider type {self.name!r} of {self.distribution} lacks {missing[0]}"
            )
        return loaded


_PARTS = ("settings_model", "schemes", "create")


def discover() -> Mapping[str, Found]:
    """Every provider type that is installed, by name. Loads none of them."""
    points = list(importlib.metadata.entry_points(group=ENTRY_POINTS))
    # One distribution found at two places on the path is still one.
    claims = Counter({(point.name, point.value): 1 for point in points})
    times = Counter(name for name, _ in claims)
    return {point.name: Found(point.name, point, times[point.name] > 1) for point in points}
