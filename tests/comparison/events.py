"""Events for minutes: somebody changes things, and watchers on both sides keep a diary."""

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
from tests.parts.waiting import until

NAMESPACE = "changing"
SECONDS_BETWEEN = 0.5
"""How often something changes: a pace to make events by, not a time that anything waits."""

# The package says that it is typed, and is so in parts only.
CLIENT: Any = kubernetes.config.new_client_from_config
INFORMER: Any = SharedInformer

Diary = list[tuple[str, str, str]]
"""Type, name and version of each event."""


@dataclass
class Watchers:
    """The diaries so far, by side and by kind of watcher."""

    diaries: dict[str, Diary] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)
    made: int = 0
    done: threading.Event = field(default_factory=threading.Event)
    writer: threading.Thread | None = None

    def finish(self) -> None:
        """Let the writer come to its end."""
        self.done.set()
        assert self.writer is not None
        self.writer.join(60)


@contextmanager
def watching(world: World) -> Iterator[Watchers]:
    """Two kinds of watchers on both sides, and one who makes events; until the end of the block."""
    world.kubernetes.create_namespace(NAMESPACE)
    watchers = Watchers()
    with ExitStack() as stack:
        for side in (world.side(side, NAMESPACE) for side in world.sides["alice"]):
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
    """Create, change and delete, as long as it takes."""
    maps = f"/api/v1/namespaces/{NAMESPACE}/configmaps"
    ask = world.kubernetes.request
    for number in itertools.count():
        name = f"event-{number}"
        world.kubernetes.call(ask("POST", maps, {"metadata": {"name": name}}))
        change = {"data": {"number": str(number)}}
        world.kubernetes.call(ask("PATCH", f"{maps}/{name}", change))
        if number % 2:
            world.kubernetes.call(ask("DELETE", f"{maps}/{name}"))
        watchers.made = number + 1
        if watchers.done.wait(SECONDS_BETWEEN):
            return


@contextmanager
def kubectl_watch(side: Side, watchers: Watchers) -> Iterator[None]:
    """``kubectl get --watch`` on one connection."""
    diary: Diary = watchers.diaries.setdefault(f"{side.name} kubectl", [])
    columns = "TYPE:.type,NAME:.object.metadata.name,VERSION:.object.metadata.resourceVersion"
    arguments = ["get", "configmaps", "--watch", "--output-watch-events", "--no-headers"]
    arguments += ["-o", f"custom-columns={columns}"]

    listed = threading.Event()

    def read(process: "subprocess.Popen[str]") -> None:
        assert process.stdout is not None
        for line in process.stdout:
            listed.set()
            kind, name, version = line.split()
            note(diary, kind, {"name": name, "resourceVersion": version})

    with side.start(*arguments) as process:
        reader = threading.Thread(target=read, args=(process,), daemon=True)
        reader.start()
        try:
            # What is there already: a namespace always has one. From here on there are events.
            assert listed.wait(30)
            yield
        finally:
            process.terminate()
            reader.join(20)


@contextmanager
def informer(side: Side, watchers: Watchers) -> Iterator[None]:
    """The official client's shared informer: a list, then watch upon watch from where it was."""
    diary: Diary = watchers.diaries.setdefault(f"{side.name} informer", [])
    client = CLIENT(str(side.plain_kubeconfig))
    core = kubernetes.client.CoreV1Api(client)
    made = INFORMER(core.list_namespaced_config_map, namespace=NAMESPACE)
    for kind in ("ADDED", "MODIFIED", "DELETED"):
        made.add_event_handler(
            kind, lambda found, kind=kind: note(diary, kind, found.metadata.to_dict())
        )
    made.start()
    # Only then is the list behind it, whose contents it would not tell as events.
    until(lambda: made._resource_version is not None)
    try:
        yield
    finally:
        # Not stop(): it waits for the thread, and the thread for an event that never comes.
        made._stop_event.set()


def note(diary: Diary, kind: str, metadata: dict[str, Any]) -> None:
    """Write an event down; the namespace's own certificate may be there before or after."""
    version = metadata.get("resourceVersion") or metadata.get("resource_version")
    if metadata["name"].startswith("event-"):
        diary.append((kind, metadata["name"], str(version)))
