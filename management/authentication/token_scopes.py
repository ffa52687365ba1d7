"""Resolve the projects of a token rule: ids, or names in the form ``<cluster>/<project>``."""

from collections.abc import Collection, Sequence

from store.access_records import Project
from store.interfaces import Store


async def find_projects(store: Store, names: Sequence[str]) -> list[Project]:
    """Return the existing projects among ``names``."""
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


def intersect_scope(projects: Sequence[Project], clusters: Collection[str]) -> list[Project]:
    """Return the projects in one of ``clusters``; an empty ``clusters`` means no limit."""
    return [one for one in projects if not clusters or one.cluster_id in clusters]
