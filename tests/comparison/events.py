"""Background watches: one thread changes objects while watchers on both sides record events."""

import itertools
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import kubernetes.client
import kubernetes.config
from kubernetes.informer import SharedInformer

from tests.comparison.sides import Side
from tests.comparison.world import World
from tests.support.waiting import wait_until

NAMESPACE = "changing"
SECONDS_BETWEEN = 0.5
"""Interval between changes. No test waits for this time."""

# The package declares type information but is only partly typed.
CLIENT: Any = kubernetes.config.new_client_from_config
INFORMER: Any = SharedInformer

EventLog = list[tuple[str, str, str]]
"""Type, name and version of each event."""


@dataclass
class Watchers:
    """Recorded events by side and kind of watcher, and the state of the writer."""

    event_logs: dict[str, EventLog] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    changes: int = 0
    done: threading.Event = field(default_factory=threading.Event)
    writer: threading.Thread | None = None

    def finish(self) -> None:
        """Stop the writer and wait for its thread."""
        self.done.set()
        assert self.writer is not None
        self.writer.join(60)


@contextmanager
def watch_both_sides(world: World) -> Iterator[Watchers]:
    """Run two kinds of watchers on both sides, and one writer, inside the ``with`` block."""
    world.kubernetes.create_namespace(NAMESPACE)
    watchers = Watchers()
    with ExitStack() as stack:
        for side in (world.side_in(side, NAMESPACE) for side in world.sides["alice"]):
            stack.enter_context(kubectl_watch(side, watchers))
            stack.enter_context(informer(side, watchers))
        writer = threading.Thread(target=write, args=(world, watchers), daemon=True)
        watchers.writer = writer
        writer.start()
        try:
            yield watchers
        finally:
            watchers.finish()


def write(world: World, watchers: Watchers) -> None:
    """Create, change and delete objects until the watchers finish."""
    maps = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
    send_request = world.kubernetes.request
    for number in itertools.count():
        name = f"event-{number}"
        world.kubernetes.call(send_request("POST", maps, {"metadata": {"name": name}}))
        change = {"data": {"number": str(number)}}
        world.kubernetes.call(send_request("PATCH", f"{maps}/{name}", change))
        if number % 2:
            world.kubernetes.call(send_request("DELETE", f"{maps}/{name}"))
        watchers.changes = number + 1
        if watchers.done.wait(SECONDS_BETWEEN):
            return


@contextmanager
def kubectl_watch(side: Side, watchers: Watchers) -> Iterator[None]:
    """Run ``kubectl get --watch``, which uses one connection."""
    log: EventLog = watchers.event_logs.setdefault(f"{side.name} kubectl", [])
    columns = "TYPE:.type,NAME:.object.metadata.name,VERSION:.object.metadata.resourceVersion"
    arguments = ["get", "configmaps", "--watch", "--output-watch-events", "--no-headers"]
    arguments += ["-o", f"custom-columns={columns}"]

    listed = threading.Event()

    def read(process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            listed.set()
            kind, name, version = line.split()
            record(log, kind, {"name": name, "resourceVersion": version})

    with side.start(*arguments) as process:
        reader = threading.Thread(target=read, args=(process,), daemon=True)
        reader.start()
        try:
            # The initial list is not empty: every namespace has a ConfigMap. Events follow it.
            assert listed.wait(120)
            yield
        finally:
            process.terminate()
            reader.join(120)


@contextmanager
def informer(side: Side, watchers: Watchers) -> Iterator[None]:
    """Run the official client's shared informer: one list, then consecutive watches."""
    log: EventLog = watchers.event_logs.setdefault(f"{side.name} informer", [])
    client = CLIENT(str(side.plain_kubeconfig))
    core = kubernetes.client.CoreV1Api(client)
    created = INFORMER(core.list_namespaced_config_map, namespace=NAMESPACE)
    for kind in ("ADDED", "MODIFIED", "DELETED"):
        created.add_event_handler(
            kind, lambda found, kind=kind: record(log, kind, found.metadata.to_dict())
        )
    created.start()
    try:
        # Wait for the initial list, whose objects are not reported as events.
        wait_until(lambda: created._resource_version is not None)
        yield
    finally:
        # Not stop(): it joins the thread, which waits for an event that never comes.
        created._stop_event.set()


def record(log: EventLog, kind: str, metadata: dict[str, Any]) -> None:
    """Record an event. Ignores the namespace's root certificate, which may come at any time."""
    version = metadata.get("resourceVersion") or metadata.get("resource_version")
    if metadata["name"].startswith("event-"):
        log.append((kind, metadata["name"], str(version)))
