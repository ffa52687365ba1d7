"""Tests with random states: the plan of an exported state changes nothing."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from proxy.cli.apply.changes import Plan
from proxy.cli.apply.diff import diff_text
from proxy.cli.apply.export import export_text, exported
from proxy.cli.apply.observed import Observed
from tests.proxy.cli.apply.plans import (
    BUILT_IN,
    STATE,
    a_grant,
    a_project,
    a_role,
    a_user,
    planned,
)

WORDS = st.text("abcx-.", min_size=1, max_size=4).filter(lambda one: one.strip() == one)
TEXTS = st.text(max_size=6).filter(str.isprintable)
LABELS = st.dictionaries(st.sampled_from(["a", "b/c"]), st.sampled_from(["", "x"]), max_size=2)
QUOTAS = st.dictionaries(
    st.sampled_from(["pods", "limits.cpu"]), st.sampled_from(["1", "1.5", "4Gi"]), max_size=2
)
RULES = st.fixed_dictionaries(
    {
        "verbs": st.lists(WORDS, min_size=1, max_size=2),
        "api_groups": st.lists(st.sampled_from(["", "apps"]), max_size=2),
        "resources": st.lists(WORDS, max_size=2),
        "resource_names": st.lists(WORDS, max_size=1),
        "non_resource_urls": st.just([]),
    }
)


@st.composite
def states(draw: st.DrawFn) -> Observed:
    """Return any state of a server."""
    users = [
        a_user(f"u-{n}", name, *providers, labels=draw(LABELS), display_name=draw(TEXTS))
        for n, (name, providers) in enumerate(
            draw(
                st.lists(
                    st.tuples(
                        st.sampled_from(
                            ["alice", "bob", "u-0", "123", "true", "x://1", "u-7hx2kqm3va"]
                        ),
                        st.lists(st.sampled_from(["local", "github"]), min_size=1, unique=True),
                    ),
                    max_size=5,
                )
            )
        )
    ]
    roles = [*BUILT_IN]
    for n, name in enumerate(draw(st.lists(WORDS, max_size=4, unique=True))):
        parents = draw(st.lists(st.sampled_from(["cluster-member", *(f"r-{m}" for m in range(n))])))
        rules = draw(st.lists(RULES, max_size=2))
        more = {"labels": draw(LABELS), "permissions": draw(st.lists(WORDS, max_size=3))}
        roles.append(a_role(f"r-{n}", "cluster", f"x{name}", inherits=parents, rules=rules, **more))
    projects = [
        a_project(
            f"p-{n}",
            name,
            quota=draw(QUOTAS),
            container_limits={"default": limit} if (limit := draw(QUOTAS)) else {},
            isolated=draw(st.booleans()),
            description=draw(TEXTS),
            labels=draw(LABELS),
        )
        for n, name in enumerate(draw(st.lists(WORDS, max_size=3, unique=True)))
    ]
    namespaces = [
        {"name": f"ns-{n}", "cluster": "c-1", "project": one["id"], "quota": draw(QUOTAS)}
        for n, one in enumerate(projects)
    ]
    members = [
        a_grant(f"b-{n}", "member", user, cluster="c-1", project=project, labels=draw(LABELS))
        for n, (user, project) in enumerate(
            (user, project)
            for user in [*users, None]
            for project in [None, *(str(one["id"]) for one in projects)]
            if draw(st.booleans())
        )
    ]
    bindings = [a_grant(f"g-{n}", "standard-user", one) for n, one in enumerate(users)]
    return replace(
        STATE,
        users=users,
        roles=roles,
        projects=projects,
        namespaces=namespaces,
        members=members,
        bindings=bindings,
    )


@given(states())
def test_plan_of_exported_state_changes_nothing(state: Observed) -> None:
    documents = exported(state)
    plan = planned(export_text(documents), state) if documents else Plan([], [])
    assert plan.problems == []
    assert {one.action for one in plan.changes} <= {"keep"}
    assert len(plan.changes) == len(documents)
    assert diff_text(plan.changes) == ""
