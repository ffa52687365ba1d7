"""Tell an unreachable cluster from one rejected request."""

from management.kubernetes.client import ClusterClient
from management.kubernetes.errors import ApiUnreachable, ClusterApiError


async def is_outage(client: ClusterClient, error: Exception) -> bool:
    """Return whether ``error`` is a failure of the whole cluster.

    An admission webhook may reject a single object with 503 as well, so the version is requested.
    """
    if not isinstance(error, ApiUnreachable):
        return False
    try:
        await client.get("/version")
    except ApiUnreachable:
        return True
    except ClusterApiError:
        return False
    return False
