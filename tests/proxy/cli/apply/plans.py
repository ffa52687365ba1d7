"""Documents and states, and the plans between them."""

from typing import Any

from config.labels import Selector
from proxy.cli.apply.changes import Plan, Prune
from proxy.cli.apply.documents import Source, parse
from proxy.cli.apply.observed import Observed
from proxy.cli.apply.plan import make_plan

HEAD = "apiVersion: sekisho.io/v1\nkind: "
GITOPS = Prune(Selector.parse("by=gitops"))


def a_user(user_id: str, username: str, *providers: str, **values: Any) -> dict[str, Any]:
    principals = [{"id": f"{one}://{user_id}", "provider": one} for one in providers or ("local",)]
    item = {"id": user_id, "username": username, "display_name": username, "enabled": True}
    return {**item, "labels": {}, "principals": principals, **values}


def a_role(role_id: str, scope: str, name: str, **values: Any) -> dict[str, Any]:
    lists: dict[str, Any] = {"permissions": [], "rules": [], "cluster_roles": [], "inherits": []}
    head = {"id": role_id, "scope": scope, "name": name, "description": "", "built_in": False}
    return {**head, **lists, "labels": {}, **values}


def a_project(project_id: str, name: str, **values: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {"quota": {}, "namespace_quota": {}, "container_limits": {}}
    head = {"id": project_id, "cluster": "c-1", "name": name, "description": ""}
    return {**head, **settings, "isolated": False, "labels": {}, **values}


def a_grant(
    grant_id: str, role: str, user: dict[str, Any] | None = None, **values: Any
) -> dict[str, Any]:
    holder: dict[str, Any] = {"user": None, "group": "x://1", "name": "x", "username": None}
    if user is not None:
        holder = {"user": user["id"], "group": None, "name": user["username"]}
        holder |= {"username": user["username"], "provider": user["principals"][0]["provider"]}
    ends: dict[str, Any] = {"cluster": None, "project": None, "labels": {}}
    return {"id": grant_id, "role": role, "role_id": f"id-{role}", **holder, **ends, **values}


ALICE, OTHER_ALICE = a_user("u-1", "alice"), a_user("u-2", "alice", "github")
BUILT_IN = (
    a_role("standard-user", "global", "standard-user", built_in=True),
    a_role("cluster-member", "cluster", "member", built_in=True),
    a_role("project-member", "project", "member", built_in=True),
)
STATE = Observed(
    me={"id": "u-1", "groups": [{"id": "x://mine"}]},
    users=(ALICE,),
    roles=BUILT_IN,
    clusters=(
        {
            "id": "c-1",
            "name": "prod",
            "labels": {},
            "username_mapping": "id",
            "impersonator": "shared",
        },
    ),
    projects=(a_project("p-1", "shop"),),
)


def planned(text: str, state: Observed = STATE, prune: Prune | None = None, **options: Any) -> Plan:
    return make_plan(parse([Source("a.yaml", text)]), state, prune, **options)


def lines(plan: Plan) -> list[str]:
    assert plan.problems == [], plan.problems
    return [f"{one.action} {one.shown}" for one in plan.changes]


def problems(plan: Plan) -> list[str]:
    return [str(one) for one in plan.problems]


def a_member(user: str = "alice", more: str = "", labels: str = "{}") -> str:
    spec = f"{{cluster: prod, role: member, user: {user}{more}}}"
    return f"{HEAD}Member\nmetadata: {{labels: {labels}}}\nspec: {spec}\n"
