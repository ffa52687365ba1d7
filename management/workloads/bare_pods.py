"""Pods that belong to no other workload, found without reading the others as a whole.

Most pods of a cluster belong to a workload, and only their metadata says so: a label can be left
over. So the metadata of all pods are listed (PartialObjectMetadata, a third of a pod), and only the
few pods without a controller are read.
"""

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from management.caller_client.client import CallerClient
from management.caller_client.errors import RequestRefused
from management.kubernetes.manifests import Manifest
from management.workloads.kinds import POD
from management.workloads.rows import Row, is_workload, shown

MAX_SINGLE = 50
"""Pods that are read one by one. If there are more, the pods are better read as a list."""


@dataclass(slots=True)
class BarePods:
    """The rows of the pods that were found, and the version of the list from which to watch.

    ``scanned`` is the number of all pods. ``complete``: there are no more of them.
    """

    rows: list[Row] = field(default_factory=list)
    version: str = ""
    scanned: int = 0
    complete: bool = False


async def read_bare_pods(
    client: CallerClient, namespace: str | None, query: Mapping[str, str], most: int
) -> BarePods | None:
    """Return the pods of their own among at most ``most`` pods.

    None: they are many, or the caller may list pods and not read one.
    """
    found, wanted = BarePods(), list[str]()
    pages = client.pages(POD.path(namespace), query, metadata_only=True)
    async with aclosing(pages) as each:
        async for page in each:
            found.scanned += len(page.items) + page.left_out
            found.version = page.version
            wanted += [_path(one) for one in page.items if is_workload(POD, one)]
            if len(wanted) > MAX_SINGLE:
                return None
            if not page.following:
                found.complete = found.scanned <= most
                break
            if found.scanned >= most:
                break
    for path in wanted:
        try:
            row = shown(POD, await client.get(path))
        except RequestRefused as exc:
            if exc.status == 403:
                return None
            if exc.status != 404:  # It was deleted meanwhile.
                raise
            continue
        if row is not None:
            found.rows.append(row)
    return found


def _path(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    return POD.path(str(metadata.get("namespace") or ""), str(metadata["name"]))
