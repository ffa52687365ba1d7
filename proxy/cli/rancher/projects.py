"""Projects with their quotas, limits and namespaces. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from proxy.cli.rancher.findings import Findings, quoted
from proxy.cli.rancher.names import NameTable, line
from proxy.cli.rancher.objects import ProjectNamespace, RancherCluster, RancherProject
from proxy.cli.rancher.quotas import container_limits, quota


def project_document(
    project: RancherProject,
    cluster: str,
    name: str,
    namespaces: Iterable[ProjectNamespace] | None,
    labels: Mapping[str, str],
    findings: Findings,
) -> dict[str, Any]:
    """Return a project as a document. ``namespaces`` None: they were not read, and are kept."""
    of = f"{cluster}/{name}"
    spec: dict[str, Any] = {
        "cluster": cluster,
        "description": line(project.description),
        "quota": quota(project.quota, of, findings),
        "namespaceQuota": quota(project.namespace_quota, of, findings),
        "containerLimits": container_limits(project.limits, of, findings),
    }
    spec = {key: one for key, one in spec.items() if one}
    if namespaces is not None:
        spec["namespaces"] = [_namespace(one, project, cluster, findings) for one in namespaces]
    return {"metadata": {"name": name, "labels": dict(labels)}, "spec": spec}


def _namespace(
    namespace: ProjectNamespace, project: RancherProject, cluster: str, findings: Findings
) -> dict[str, Any]:
    of = f"{cluster}/{namespace.name}"
    found = quota(namespace.quota, of, findings)
    if namespace.limits and dict(namespace.limits) != dict(project.limits):
        text = "has container limits of its own; those of its project apply"
        findings.add("Quotas", of, text)
    return {"name": namespace.name, **({"quota": found} if found else {})}


def project_names(
    projects: Iterable[RancherProject], cluster: RancherCluster, findings: Findings
) -> dict[str, str]:
    """Return the names of a cluster's projects, by id. Renamed ones become findings."""
    table, names = NameTable(), {}
    for one in sorted(projects, key=lambda one: one.id):
        names[one.id] = table.name(one.id, one.name)
        if names[one.id] != one.name:
            text = f"is called {quoted(names[one.id])}: its name repeats, or is not one line"
            findings.add("Projects", f"{cluster.name}/{one.id}", text)
    return names
