"""The resources of Kubernetes itself, and the names that kubectl accepts for them. Pure.

A question names a resource as people do (``secrets``, ``deploy``). RBAC needs the API group, too.
Other resources are named with their group: ``certificates.cert-manager.io``.
"""

from typing import Final

_CORE = """
bindings
configmaps cm
endpoints ep
events ev
limitranges limits
namespaces ns
nodes no
persistentvolumeclaims pvc
persistentvolumes pv
pods po
podtemplates
replicationcontrollers rc
resourcequotas quota
secrets
serviceaccounts sa
services svc
users
groups
"""

_GROUPS = {
    "": _CORE,
    "admissionregistration.k8s.io": """
mutatingwebhookconfigurations
validatingadmissionpolicies
validatingadmissionpolicybindings
validatingwebhookconfigurations
""",
    "apiextensions.k8s.io": "customresourcedefinitions crd crds",
    "apiregistration.k8s.io": "apiservices",
    "apps": """
controllerrevisions
daemonsets ds
deployments deploy
replicasets rs
statefulsets sts
""",
    "authentication.k8s.io": "tokenreviews\nuids\nuserextras",
    "authorization.k8s.io": """
localsubjectaccessreviews
selfsubjectaccessreviews
selfsubjectrulesreviews
subjectaccessreviews
""",
    "autoscaling": "horizontalpodautoscalers hpa",
    "batch": "cronjobs cj\njobs",
    "certificates.k8s.io": "certificatesigningrequests csr",
    "coordination.k8s.io": "leases",
    "discovery.k8s.io": "endpointslices",
    "networking.k8s.io": "ingressclasses\ningresses ing\nnetworkpolicies netpol",
    "node.k8s.io": "runtimeclasses",
    "policy": "poddisruptionbudgets pdb",
    "rbac.authorization.k8s.io": "clusterrolebindings\nclusterroles\nrolebindings\nroles",
    "scheduling.k8s.io": "priorityclasses pc",
    "storage.k8s.io": "csidrivers\ncsinodes\nstorageclasses sc\nvolumeattachments",
}
"""Lines of a plural name and its short names, by API group."""


def _singular(plural: str) -> str:
    for end, instead in (("sses", "ss"), ("cies", "cy"), ("ies", "y"), ("s", "")):
        if plural.endswith(end):
            return plural.removesuffix(end) + instead
    return plural


def _names() -> dict[str, tuple[str, str]]:
    found: dict[str, tuple[str, str]] = {}
    for group, lines in _GROUPS.items():
        for line in lines.split("\n"):
            names = line.split()
            for name in (*names, *map(_singular, names[:1])):
                found.setdefault(name, (group, names[0]))
    return found


KNOWN: Final = _names()
"""The API group and the plural name, by each accepted name."""


def resolve(name: str) -> tuple[str, str] | None:
    """Return the API group and the resource for a name; None if the name needs a group.

    ``*`` is every resource of every group. A name with a dot names its group.
    """
    if name == "*":
        return "*", "*"
    if name in KNOWN:
        return KNOWN[name]
    resource, dot, group = name.partition(".")
    if not dot:
        return None
    known_group, plural = KNOWN.get(resource, ("", resource))
    return group, plural if known_group == group else resource
