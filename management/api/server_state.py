"""What this process knows of itself, for the overview. The layer above provides it."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class ServerState:
    """The state of the process that responds.

    ``certificate_ends_at`` is the end of the listener's certificate; None: it has none, because
    another server ends TLS.
    """

    overloaded: bool = False
    lag_seconds: float = 0.0
    """The mean delay of the event loop, which is about how long a request waits."""

    certificate_ends_at: datetime | None = None
