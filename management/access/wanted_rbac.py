"""The RBAC objects that Sekisho wants in a cluster, for clusters that cannot be read. Pure."""

from management.access.rbac_objects import ClusterRbac, RbacRole, binding_from, role_from
from management.authorization.builtin_roles import EVERYTHING
from management.authorization.user_facing import RULES
from management.desired_state.cluster_rbac import cluster_wide
from management.desired_state.installation import administrators_binding
from management.desired_state.namespace_objects import in_namespaces
from management.desired_state.snapshot import Snapshot


def wanted_rbac(snapshot: Snapshot) -> ClusterRbac:
    """Return the roles and bindings that the reconciler would make of a snapshot.

    Of the cluster's own roles it has those that every cluster has: ``cluster-admin``, ``admin``,
    ``edit`` and ``view``.
    """
    objects = [
        administrators_binding(),
        *cluster_wide(snapshot),
        *in_namespaces(snapshot, broken={}),
    ]
    roles = {("", name): RbacRole(name, "", tuple(rules)) for name, rules in RULES.items()}
    roles["", "cluster-admin"] = RbacRole("cluster-admin", "", EVERYTHING)
    for manifest in objects:
        if manifest["kind"] == "ClusterRole":
            made = role_from(manifest)
            roles["", made.name] = made
    bindings = [binding_from(one) for one in objects if one["kind"].endswith("Binding")]
    return ClusterRbac(roles, bindings)
