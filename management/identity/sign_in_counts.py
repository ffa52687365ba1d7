"""Count sign-ins by provider and outcome, for metrics."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from providers.base import ProviderUnavailable, Throttled

ACCEPTED, REFUSED, THROTTLED, UNAVAILABLE = "accepted", "refused", "throttled", "unavailable"
"""All outcomes. The reason of a refusal is in the log: providers choose its text."""


class SignInCounts:
    """Sign-ins of this process since its start. Only names of running providers are counted."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def add(self, provider: str, outcome: str) -> None:
        """Count a sign-in."""
        self._counts[provider, outcome] += 1

    @contextmanager
    def failures(self, provider: str) -> Iterator[None]:
        """Count what prevents an answer of the provider, and raise it again."""
        try:
            yield
        except Throttled:
            self.add(provider, THROTTLED)
            raise
        except ProviderUnavailable:
            self.add(provider, UNAVAILABLE)
            raise

    def items(self) -> list[tuple[tuple[str, str], int]]:
        """Return the numbers by provider and outcome."""
        return list(self._counts.items())
