"""Clients that read, write and watch while a fault lasts."""

import http.client
import json
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from tests.faults.conftest import FaultSekisho
from tests.support.waiting import wait_until

CLUSTER = "/k8s/clusters/two"
MAPS = f"{CLUSTER}/api/v1/namespaces/default/configmaps"
ENOUGH = 20
"""How many requests each kind of client is to have made before and after the fault."""


class Clients:
    """Clients that read and write until they are stopped, and count their responses."""

    def __init__(self, sekisho: FaultSekisho) -> None:
        self.reads: Counter[int] = Counter()
        self.writes: Counter[int] = Counter()
        self.created: list[tuple[str, int]] = []
        self._sekisho = sekisho
        self._stop = threading.Event()

    @contextmanager
    def running(self) -> Iterator["Clients"]:
        """Run four readers and four writers."""
        with ThreadPoolExecutor(8) as pool:
            running = [pool.submit(self._read) for _ in range(4)]
            running += [pool.submit(self._write) for _ in range(4)]
            try:
                yield self
            finally:
                self._stop.set()
        for one in running:
            one.result()

    def await_more(self) -> None:
        """Wait until both kinds have sent enough further requests."""
        reads, writes = self.reads.total() + ENOUGH, self.writes.total() + ENOUGH
        wait_until(lambda: self.reads.total() >= reads and self.writes.total() >= writes, 80)

    def _read(self) -> None:
        while not self._stop.is_set():
            answer = self._sekisho.request("GET", MAPS + "?limit=5", token=self._sekisho.root)
            self.reads[answer.status] += 1

    def _write(self) -> None:
        while not self._stop.is_set():
            name = f"map-{uuid.uuid4().hex}"
            body = {"metadata": {"name": name}}
            answer = self._sekisho.request("POST", MAPS, token=self._sekisho.root, body=body)
            self.writes[answer.status] += 1
            self.created.append((name, answer.status))


class Watch(threading.Thread):
    """A client that watches like client-go: after a watch ends, it starts another."""

    def __init__(self, sekisho: FaultSekisho) -> None:
        super().__init__(daemon=True)
        self.begun = 0
        self.refused: Counter[int] = Counter()
        self.seen: set[str] = set()
        self._sekisho = sekisho
        self._stop_asked = threading.Event()

    def run(self) -> None:
        while not self._stop_asked.is_set():
            path = f"{MAPS}?watch=true&timeoutSeconds=5"
            with self._sekisho.open_request("GET", path) as answer:
                if answer.status != 200:
                    self.refused[answer.status] += 1
                    continue
                self.begun += 1
                try:
                    for line in answer:
                        event = json.loads(line)
                        self.seen.add(event["object"].get("metadata", {}).get("name", ""))
                except (http.client.IncompleteRead, ConnectionError, json.JSONDecodeError):
                    pass

    def await_more_than(self, begun: int) -> None:
        wait_until(lambda: self.begun > begun, 60, "another watch")

    def stop(self) -> None:
        self._stop_asked.set()
        self.join(60)
        assert not self.is_alive()


@contextmanager
def watching(sekisho: FaultSekisho) -> Iterator[list[Watch]]:
    """Run four watch clients."""
    watches = [Watch(sekisho) for _ in range(4)]
    try:
        for watch in watches:
            watch.start()
        yield watches
    finally:
        for watch in watches:
            watch.stop()
