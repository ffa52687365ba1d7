"""The kinds of workloads, and where a cluster's API has them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote


@dataclass(frozen=True, slots=True)
class WorkloadKind:
    """A kind. ``name`` is its name in the API of Sekisho, and ``kind`` that in Kubernetes."""

    name: str
    kind: str
    group: str
    plural: str

    def path(self, namespace: str | None = None, name: str | None = None) -> str:
        """Return the path of the collection in a namespace or in all, or of one object."""
        return collection(self.group, self.plural, namespace, name)


def collection(
    group: str, plural: str, namespace: str | None = None, name: str | None = None
) -> str:
    """Return the path of a collection or an object. ``group`` has the version; ``v1``: the core."""
    path = f"/api/{group}" if group == "v1" else f"/apis/{group}"
    if namespace is not None:
        path += f"/namespaces/{quote(namespace, safe='')}"
    path += f"/{plural}"
    return path if name is None else f"{path}/{quote(name, safe='')}"


DEPLOYMENT = WorkloadKind("deployment", "Deployment", "apps/v1", "deployments")
STATEFUL_SET = WorkloadKind("statefulset", "StatefulSet", "apps/v1", "statefulsets")
DAEMON_SET = WorkloadKind("daemonset", "DaemonSet", "apps/v1", "daemonsets")
JOB = WorkloadKind("job", "Job", "batch/v1", "jobs")
CRON_JOB = WorkloadKind("cronjob", "CronJob", "batch/v1", "cronjobs")
POD = WorkloadKind("pod", "Pod", "v1", "pods")

KINDS: Mapping[str, WorkloadKind] = {
    one.name: one for one in (DEPLOYMENT, STATEFUL_SET, DAEMON_SET, JOB, CRON_JOB, POD)
}
"""By name, in the order in which they are read. Pods come last: there may be many."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")


def is_object_name(text: str) -> bool:
    """Return whether a namespace or a workload may have that name (RFC 1123)."""
    return _NAME.fullmatch(text) is not None and ".." not in text
