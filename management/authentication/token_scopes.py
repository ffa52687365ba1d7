"""Projects that a rule names: by id, or as ``<cluster>/<project>`` by what both are called."""

from collections.abc import Collection, Sequence

from store.access_records import Project
from store.interfaces import Store


async def projects_named(store: Store, names: Sequence[str]) -> list[Project]:
    """Those of the projects that are there."""
    if not names:
        return []
    clusters = {one.id: one.name for one in await store.clusters.list_all()}
    wanted = set(names)
    return [
        one
        for one in await store.projects.list_all()
        if one.id in wanted
        or wanted & {f"{place}/{one.name}" for place in (one.cluster_id, clusters[one.cluster_id])}
    ]


def within(projects: Sequence[Project], clusters: Collection[str]) -> list[Project]:
    """Those in one of ``clusters``; no clusters: no limit."""
    return [one for one in projects if not clusters or one.cluster_id in clusters]
