"""Translate errors of a cluster's API into errors of an operation on the cluster."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from management.errors import ClusterOperationFailed
from management.kubernetes.errors import ClusterApiError


@asynccontextmanager
async def cluster_operation(name: str | None = None) -> AsyncIterator[None]:
    """Raise each ClusterApiError of the block as ClusterOperationFailed.

    ``name`` is the cluster's name, with which the message then begins.
    """
    try:
        yield
    except ClusterApiError as exc:
        message = f'cluster "{name}": {exc}' if name is not None else str(exc)
        raise ClusterOperationFailed(message) from exc
