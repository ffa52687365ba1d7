"""How workloads, their parts, and their changes are shown. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from proxy.cli.common import plain
from proxy.cli.output.columns import Column, Item, Kind, age_of, time_of


def _pods(item: Item) -> str:
    """Return ready and desired pods: ``2/3``."""
    ready, desired = item["ready"], item["desired"]
    if desired is None:
        return "" if ready is None else str(ready)
    return f"{ready or 0}/{desired}"


def _conditions(item: Item) -> list[str]:
    return [_condition(one) for one in item["conditions"]]


def _condition(one: Item) -> str:
    why = ": ".join(str(one[key]) for key in ("reason", "message") if one.get(key))
    return f"{one['type']}={one['status']}" + (f" ({why})" if why else "")


def workload_name(item: Item) -> str:
    """Return a workload's name as commands take it: ``shop/deployment/web``."""
    return f"{item.get('namespace')}/{item.get('kind')}/{item.get('name')}"


WORKLOAD = Kind(
    "workload",
    (
        Column("NAMESPACE", "namespace"),
        Column("KIND", "kind"),
        Column("NAME", "name"),
        Column("READY", _pods),
        Column("STATE", "state"),
        Column("IMAGES", "images"),
        Column("AGE", age_of("created_at")),
        Column("PROJECT", lambda item: item["project_name"] or item["project"], wide=True),
        Column("UPDATED", "updated", wide=True),
        Column("AVAILABLE", "available", wide=True),
        Column("REVISION", "revision", wide=True),
        Column("SCHEDULE", "schedule", wide=True),
        Column("LAST SCHEDULED", time_of("last_scheduled_at"), wide=True),
        Column("CONDITIONS", _conditions, wide=True),
        Column("LABELS", "labels", wide=True),
        Column("UID", "uid", wide=True),
    ),
    key="uid",
    full_name=workload_name,
)

CONTAINER = Kind(
    "container",
    (
        Column("CONTAINER", "name"),
        Column("IMAGE", "image"),
        Column("INIT", "init"),
        Column("PORTS", "ports"),
        Column("REQUESTS", "requests"),
        Column("LIMITS", "limits"),
    ),
)


def _why(item: Item) -> str:
    """Return why a pod, or a container of it, does not run."""
    found = [item, *(one for one in item["containers"] if one["state"] != "running")]
    texts = [": ".join(one[key] for key in ("reason", "message") if one[key]) for one in found]
    return "; ".join(dict.fromkeys(one for one in texts if one))


POD = Kind(
    "pod",
    (
        Column("POD", "name"),
        Column("READY", "ready"),
        Column("STATE", "state"),
        Column("RESTARTS", "restarts"),
        Column("AGE", age_of("created_at")),
        Column("NODE", "node"),
        Column("WHY", _why),
        Column("IP", "ip", wide=True),
    ),
)

REVISION = Kind(
    "revision",
    (
        Column("REVISION", "revision"),
        Column("CURRENT", "current"),
        Column("READY", _pods),
        Column("IMAGES", "images"),
        Column("AGE", age_of("created_at")),
        Column("CHANGE CAUSE", "change_cause"),
        Column("NAME", "name", wide=True),
    ),
    name="revision",
    key="uid",
)


def _subject(item: Item) -> str:
    return f"{item['object']['kind']}/{item['object']['name']}"


EVENT = Kind(
    "event",
    (
        Column("LAST SEEN", age_of("last_seen")),
        Column("TYPE", "type"),
        Column("REASON", "reason"),
        Column("OBJECT", _subject),
        Column("COUNT", "count", wide=True),
        Column("MESSAGE", "message"),
    ),
    name="reason",
)

JOB = Kind("job", (*WORKLOAD.columns[2:5], WORKLOAD.columns[6]), full_name=workload_name)

SECTIONS: Mapping[str, Kind] = {
    "containers": CONTAINER,
    "pods": POD,
    "revisions": REVISION,
    "jobs": JOB,
    "events": EVENT,
}
"""The parts of a workload, in the order in which they are shown."""

CHANGE = Kind("workload", (), full_name=workload_name)


def gap_lines(page: Item) -> Iterator[str]:
    """Yield a line for each reason for which parts could not be read for the caller."""
    kinds: dict[tuple[str, str], list[str]] = {}
    for one in page.get("incomplete") or ():
        namespaces = one.get("namespaces") or ()
        where = f" of {', '.join(namespaces)}" if namespaces else ""
        remedy = "; choose a namespace or a kind" if one.get("reason") == "TooMany" else ""
        why = f"{one.get('message')}{remedy}"
        kinds.setdefault((where, why), []).append(f"{one.get('kind')}s")
    for (where, why), found in kinds.items():
        yield f"{', '.join(found)}{where} are not shown: {why}"


def change_lines(changes: Iterable[Item], *, more: bool = False) -> Iterator[str]:
    """Yield a line for each field that differs: ``~ .spec.replicas: 1 → 3``."""
    for one in changes:
        field, before, after = one.get("field"), one.get("before"), one.get("after")
        if before is None:
            yield plain(f"+ {field}: {after}")
        elif after is None:
            yield plain(f"- {field}: {before}")
        else:
            yield plain(f"~ {field}: {before} → {after}")
    if more:
        yield "… and more"


def indented(lines: Iterable[str]) -> list[str]:
    """Return lines below another one."""
    return [f"  {one}" for one in lines]


def differences(item: Item) -> list[str]:
    """Return the differences of an object or a workload in a response, below its line."""
    changes: Sequence[Any] = item.get("changes") or ()
    return indented(change_lines(changes, more=bool(item.get("more_changes"))))


def containers_of(items: Iterable[Item]) -> list[str]:
    """Return the names of the containers that run, without those that run before them."""
    return [str(one.get("name")) for one in items if not one.get("init")]
