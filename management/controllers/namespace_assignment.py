"""Plan how a namespace's project label and the store come to agree again. Pure.

Three values are compared: the label, the stored project, and the last value on which both agreed,
which tells which of the two has changed. A label that another client changed is trusted only if the
cluster enforces the admission policy (:mod:`management.desired_state.label_policy`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from store.access_records import ProjectNamespace


@dataclass(frozen=True, slots=True)
class LiveNamespace:
    """A namespace that exists and is not being deleted. ``label`` is its project label."""

    name: str
    uid: str
    label: str | None


@dataclass(frozen=True, slots=True)
class RecordNamespace:
    """Store the project of a namespace."""

    namespace: ProjectNamespace


@dataclass(frozen=True, slots=True)
class ForgetNamespace:
    """Delete a namespace from the store."""

    namespace: ProjectNamespace


@dataclass(frozen=True, slots=True)
class RelabelNamespace:
    """Set the project label of the namespace with that uid; None removes it.

    ``undo`` is what to store if the cluster rejects a move that was requested by the API.
    """

    name: str
    uid: str
    project_id: str | None
    undo: ProjectNamespace | None = field(default=None, compare=False)


Step = RecordNamespace | ForgetNamespace | RelabelNamespace


def namespace_of(step: Step) -> str:
    """Return the name of the namespace that a step changes."""
    return step.name if isinstance(step, RelabelNamespace) else step.namespace.namespace


def plan(
    cluster_id: str,
    live: Mapping[str, LiveNamespace],
    stored: Collection[ProjectNamespace],
    projects: Collection[str],
    *,
    labels_trusted: bool,
    former: Collection[ProjectNamespace] = (),
) -> list[Step]:
    """Return the steps after which labels and store agree.

    ``projects`` are the ids of the cluster's projects. ``former`` are deleted namespaces. One that
    is restored from a backup, with its name and label, returns to its project: the store already
    had that assignment, so the label need not be trusted.
    """
    known = {one.namespace: one for one in stored}
    gone = {one.namespace: one for one in former}
    steps: list[Step] = []
    for one in live.values():
        record = known.get(one.name)
        if record is not None and record.uid != one.uid:
            # Another namespace with the same name: the stored project is not its project.
            steps.append(ForgetNamespace(record))
            gone[one.name] = record
            record = None
        if record is None:
            steps += _new(
                cluster_id, one, projects, gone.get(one.name), labels_trusted=labels_trusted
            )
        else:
            steps += _known(one, record, projects, labels_trusted=labels_trusted)
    return steps + [ForgetNamespace(one) for one in stored if one.namespace not in live]


def _new(
    cluster_id: str,
    one: LiveNamespace,
    projects: Collection[str],
    former: ProjectNamespace | None,
    *,
    labels_trusted: bool,
) -> list[Step]:
    # An unknown project id grants nothing; it may belong to another Sekisho installation.
    if one.label is None or one.label not in projects:
        return []
    if former is not None and former.project_id == former.agreed == one.label:
        return [RecordNamespace(replace(former, uid=one.uid))]
    if labels_trusted:
        return [
            RecordNamespace(ProjectNamespace(cluster_id, one.name, one.uid, one.label, one.label))
        ]
    return [RelabelNamespace(one.name, one.uid, None)]


def _known(
    one: LiveNamespace, record: ProjectNamespace, projects: Collection[str], *, labels_trusted: bool
) -> list[Step]:
    agreed: Step = RecordNamespace(replace(record, agreed=record.project_id))
    if one.label == record.project_id:
        if record.project_id is None:
            return [ForgetNamespace(record)]
        return [] if record.agreed == record.project_id else [agreed]
    label_changed = one.label != record.agreed
    store_changed = record.project_id != record.agreed
    is_known_label = one.label is None or one.label in projects
    if label_changed and not store_changed and labels_trusted and is_known_label:
        if one.label is None:
            return [ForgetNamespace(record)]
        return [RecordNamespace(replace(record, project_id=one.label, agreed=one.label, quota={}))]
    undo = None
    if store_changed and one.label == record.agreed and is_known_label:
        undo = replace(record, project_id=record.agreed)
    return [RelabelNamespace(one.name, one.uid, record.project_id, undo), agreed]
