"""What a Rancher with one cluster, one project and a few users has in its local cluster."""

from collections.abc import Mapping
from typing import Any

from management.kubernetes.client import PAGE

CLUSTER, PROJECT = "c-m-x7b2k9qd", "p-4hf7t"
PASSWORD_HASH = "$2a$10$4Ky0mPdyLmEJb2qHSWnZ1u"
LAST_USER = f"github_user://{9_000_000 + PAGE + 9}"

Object = tuple[str, str, Mapping[str, Any], str]

RULES = {
    "rt-deployer": [
        {
            "apiGroups": ["apps"],
            "resources": ["deployments", "statefulsets"],
            "verbs": ["get", "list", "watch", "create", "update", "patch"],
        },
        {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]},
    ],
    "configmaps-manage": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["*"]}],
}
"""The rules of the templates that lena holds, besides ``view``."""

_OF_RANCHER = "management.cattle.io"


def rancher_objects(maria: str, team: str) -> list[Object]:
    """Return all objects. ``maria`` and ``team`` are distinguished names at an LDAP server."""
    return [
        *_users(maria),
        *_templates(),
        *_global(),
        ("clusters", CLUSTER, {"spec": {"displayName": "prod"}}, ""),
        *_project(),
        _grant("prtb-lena", userName="u-lena", roleTemplateName="rt-deployer"),
        _grant(
            "prtb-team",
            groupPrincipalName=f"openldap_group://{team}",
            roleTemplateName="project-member",
        ),
        (
            "clusterroletemplatebindings",
            "crtb-maria",
            {"clusterName": CLUSTER, "userName": "u-maria", "roleTemplateName": "cluster-member"},
            CLUSTER,
        ),
    ]


def many_users() -> list[Object]:
    """Return more users of GitHub than are on a page. Only the last one holds a role."""
    users: list[Object] = [
        ("users", f"u-many{n:04}", {"principalIds": [f"github_user://{9_000_000 + n}"]}, "")
        for n in range(PAGE + 10)
    ]
    grant = {"userName": users[-1][1], "globalRoleName": "user"}
    return [*users, ("globalrolebindings", "grb-many", grant, "")]


def _users(maria: str) -> list[Object]:
    principal = f"openldap_user://{maria}"
    extra = {"openldap": {"principalid": [principal], "username": ["maria"]}}
    lena = {
        "username": "lena",
        "displayName": "Lena",
        "password": PASSWORD_HASH,
        "principalIds": ["local://u-lena"],
    }
    admin = {"username": "admin", "displayName": "Default Admin", "password": PASSWORD_HASH}
    return [
        ("users", "u-lena", lena, ""),
        ("users", "user-admin", admin, ""),
        ("users", "u-system", {"principalIds": ["system://provisioning"]}, ""),
        ("users", "u-maria", {"principalIds": [principal, "local://u-maria"]}, ""),
        ("userattributes", "u-maria", {"UserName": "u-maria", "ExtraByProvider": extra}, ""),
    ]


def _templates() -> list[Object]:
    deployer = {
        "displayName": "Deployer",
        "context": "project",
        "rules": RULES["rt-deployer"],
        "roleTemplateNames": ["view", "configmaps-manage"],
    }
    return [
        _built_in("view", external=True),
        _built_in("project-member", roleTemplateNames=["edit"]),
        _built_in("edit", external=True),
        _built_in(
            "configmaps-manage",
            displayName="Manage Config Maps",
            rules=RULES["configmaps-manage"],
        ),
        _built_in(
            "cluster-member",
            context="cluster",
            displayName="Cluster Member",
            rules=[
                _rule(_OF_RANCHER, "clusterroletemplatebindings", "get", "list", "watch"),
                _rule(_OF_RANCHER, "projects", "create"),
                _rule(_OF_RANCHER, "nodes", "get", "list", "watch"),
                _rule("", "nodes", "get", "list", "watch"),
                _rule("storage.k8s.io", "storageclasses", "get", "list", "watch"),
            ],
        ),
        ("roletemplates", "rt-deployer", deployer, ""),
    ]


def _global() -> list[Object]:
    return [
        ("globalroles", "admin", {"displayName": "Admin", "builtin": True}, ""),
        ("globalroles", "user", {"displayName": "User", "builtin": True}, ""),
        ("globalrolebindings", "grb-1", {"userName": "user-admin", "globalRoleName": "admin"}, ""),
        ("globalrolebindings", "grb-2", {"userName": "u-lena", "globalRoleName": "user"}, ""),
        ("globalrolebindings", "grb-3", {"userName": "u-maria", "globalRoleName": "user"}, ""),
    ]


def _project() -> list[Object]:
    spec = {
        "clusterName": CLUSTER,
        "displayName": "Web shop",
        "description": "The shop",
        "resourceQuota": {"limit": {"pods": "40"}},
        "namespaceDefaultResourceQuota": {"limit": {"pods": "10"}},
        "containerDefaultResourceLimit": {"limitsMemory": "256Mi"},
    }
    return [("projects", PROJECT, {"spec": spec}, CLUSTER)]


def _grant(name: str, **fields: str) -> Object:
    spec = {"projectName": f"{CLUSTER}:{PROJECT}", **fields}
    return ("projectroletemplatebindings", name, spec, PROJECT)


def _built_in(name: str, **fields: Any) -> Object:
    return ("roletemplates", name, {"builtin": True, "context": "project", **fields}, "")


def _rule(group: str, resource: str, *verbs: str) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}
