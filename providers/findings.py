"""Problems of a provider's settings that only its use reveals, for the log and for operators."""

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from config.loggers import get_logger

MAX_FINDINGS = 20
_LOG = get_logger(__name__)


@runtime_checkable
class HasFindings(Protocol):
    """A provider that collects findings."""

    def findings(self) -> Sequence[str]:
        """Return the problems of the settings that sign-ins have revealed."""


class Findings:
    """Messages, each logged once. They must name settings, not users."""

    def __init__(self, provider: str) -> None:
        self._provider = provider
        self._found: dict[str, None] = {}

    def add(self, text: str) -> None:
        """Record and log a finding."""
        if text in self._found or len(self._found) >= MAX_FINDINGS:
            return
        self._found[text] = None
        _LOG.warning("the provider's settings may be wrong", provider=self._provider, problem=text)

    def __call__(self) -> Sequence[str]:
        """Return the findings since the provider started."""
        return tuple(self._found)
