"""The active watches of a process, and their end when it stops."""

from proxy.response.relay import ResponseRelay


class ActiveWatches:
    """A set of watches. Once it is closed, each watch that is added ends after an event."""

    def __init__(self) -> None:
        self._relays: set[ResponseRelay] = set()
        self._closed = False

    def add(self, relay: ResponseRelay) -> None:
        """Add a watch."""
        self._relays.add(relay)
        if self._closed:
            relay.end_watch(going_on=False)

    def discard(self, relay: ResponseRelay) -> None:
        """Remove a watch that has ended."""
        self._relays.discard(relay)

    def close(self) -> None:
        """End every watch, so that its client reconnects to another replica."""
        self._closed = True
        for relay in list(self._relays):
            relay.end_watch(going_on=False)
