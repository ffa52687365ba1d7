"""Where each namespace belongs, when its label and the store say different things. Pure.

Three are compared: the label, what is stored, and what both said when they last agreed. So it is
known which of the two has changed. A label that somebody else changed is believed only where the
cluster guards labels (:mod:`management.wanted.guard`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from store.access_records import ProjectNamespace


@dataclass(frozen=True, slots=True)
class LiveNamespace:
    """A namespace that is there, and not on its way out."""

    name: str
    uid: str
    label: str | None


@dataclass(frozen=True, slots=True)
class Keep:
    """Store this."""

    namespace: ProjectNamespace


@dataclass(frozen=True, slots=True)
class Forget:
    """Store nothing of this one."""

    namespace: ProjectNamespace


@dataclass(frozen=True, slots=True)
class Relabel:
    """Make the label of this very namespace say so (None: nothing)."""

    name: str
    uid: str
    project_id: str | None


Step = Keep | Forget | Relabel


def steps(
    cluster_id: str,
    live: Mapping[str, LiveNamespace],
    stored: Collection[ProjectNamespace],
    projects: Collection[str],
    *,
    guarded: bool,
) -> list[Step]:
    """What it takes that labels and store agree. ``projects`` are the ids of the cluster's."""
    known = {one.namespace: one for one in stored}
    found: list[Step] = []
    for one in live.values():
        mine = known.get(one.name)
        if mine is not None and mine.uid != one.uid:
            # Another of the same name: what was said of the first doesn't hold for it.
            found.append(Forget(mine))
            mine = None
        if mine is None:
            found += _new(cluster_id, one, projects, guarded=guarded)
        else:
            found += _known(one, mine, projects, guarded=guarded)
    return found + [Forget(one) for one in stored if one.namespace not in live]


def _new(
    cluster_id: str, one: LiveNamespace, projects: Collection[str], *, guarded: bool
) -> list[Step]:
    # A label that names none of ours gives nobody anything; it may be another Sekisho's.
    if one.label is None or one.label not in projects:
        return []
    if guarded:
        return [Keep(ProjectNamespace(cluster_id, one.name, one.uid, one.label, one.label))]
    return [Relabel(one.name, one.uid, None)]


def _known(
    one: LiveNamespace, mine: ProjectNamespace, projects: Collection[str], *, guarded: bool
) -> list[Step]:
    agreed: Step = Keep(replace(mine, agreed=mine.project_id))
    if one.label == mine.project_id:
        if mine.project_id is None:
            return [Forget(mine)]
        return [] if mine.agreed == mine.project_id else [agreed]
    theirs_changed = one.label != mine.agreed
    ours_changed = mine.project_id != mine.agreed
    believed = guarded and (one.label is None or one.label in projects)
    if theirs_changed and not ours_changed and believed:
        if one.label is None:
            return [Forget(mine)]
        return [Keep(replace(mine, project_id=one.label, agreed=one.label, quota={}))]
    return [Relabel(one.name, one.uid, mine.project_id), agreed]
