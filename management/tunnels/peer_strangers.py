"""Bound the connections of which it is not known yet that they come from a replica. Pure."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True)
class Strangers:
    """Counts connections without a proof: of all addresses, and of each one.

    A replica opens at most a few connections at once to another one (``peer_client``), so the
    workers of a large machine, which share an address, stay below its limit.
    """

    total: int = 512
    per_address: int = 256
    _counts: Counter[str] = field(default_factory=Counter)
    admitted: int = 0
    """Connections of all addresses now."""

    @property
    def addresses(self) -> int:
        """The number of addresses with a connection now."""
        return len(self._counts)

    def admit(self, address: str) -> bool:
        """Count a connection. Return False if it is one too many, and is not counted."""
        if self.admitted >= self.total or self._counts[address] >= self.per_address:
            if not self._counts[address]:
                del self._counts[address]
            return False
        self._counts[address] += 1
        self.admitted += 1
        return True

    def release(self, address: str) -> None:
        """Count a connection no longer: it has ended, or is proven."""
        self.admitted -= 1
        self._counts[address] -= 1
        if not self._counts[address]:
            del self._counts[address]
