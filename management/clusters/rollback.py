"""Roll back an import that failed: delete the objects that it created."""

from collections.abc import Sequence

from management.kubernetes.client import ClusterClient
from management.kubernetes.errors import ClusterApiError
from management.kubernetes.manifests import Manifest, path_of, title


async def roll_back(client: ClusterClient, created: Sequence[Manifest]) -> list[str]:
    """Delete created objects, the last one first. Return the titles of those that remain."""
    remaining = []
    for manifest in reversed(created):
        try:
            await client.delete(path_of(manifest))
        except ClusterApiError:
            remaining.append(title(manifest))
    return remaining


def describe_leftovers(remaining: Sequence[str]) -> str:
    """Return the end of an error message about an import that was rolled back."""
    if not remaining:
        return "nothing was left behind"
    return f"these could not be deleted, delete them by hand: {', '.join(remaining)}"
