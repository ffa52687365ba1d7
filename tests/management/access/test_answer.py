"""Answers have a bounded size, whatever a cluster contains."""

import time

from management.access.answer import MAX_CHAINS, MAX_HOLDERS, Holders, Names, View
from management.access.evaluation import grants
from management.access.origins import Origins
from management.access.people import people_of
from management.access.question import question_from
from management.authorization.role_catalog import RoleCatalog
from management.desired_state.snapshot import Snapshot
from tests.management.access.rbac_world import binding, rbac_of, role, rule
from tests.store.records import a_cluster, a_user

QUESTION = question_from({"verb": "get", "resource": "secrets"})
READER = role("reader", rule("get", "secrets"))
TEAM = "github_team://7"


def holders_of(*subjects: str, bindings: int = 1, members: int = 0) -> Holders:
    """Return the holders of a role that each binding grants to the subjects."""
    cluster, book = a_cluster(), RoleCatalog()
    snapshot = Snapshot(cluster, book, [], {}, {}, [])
    users = [a_user(f"n{number}") for number in range(members)]
    people = people_of(cluster, users, [(TEAM, "team", one.id) for one in users], [])
    every = View("u-owner", everything=True)
    found = Holders(Names(cluster, book, {}), Origins(snapshot, []), people, every)
    made = [binding(f"b{number}", "ClusterRole/reader", *subjects) for number in range(bindings)]
    found.add(grants(QUESTION, rbac_of([READER, *made])))
    return found


def test_subjects_over_the_limit_are_counted_only() -> None:
    found = holders_of(*(f"User:dave-{number}" for number in range(MAX_HOLDERS + 500)))
    assert len(found.in_order()) == MAX_HOLDERS
    assert found.left_out == 501  # system:masters is one of the subjects


def test_chains_of_one_subject_over_the_limit_are_counted_only() -> None:
    [_, dave] = holders_of("User:dave", bindings=30).in_order()
    assert (len(dave.chains), dave.more) == (MAX_CHAINS, 30 - MAX_CHAINS)


def test_many_bindings_of_a_large_group_take_linear_time() -> None:
    began = time.process_time()
    found = holders_of(f"Group:{TEAM}", bindings=3000, members=2000)
    assert time.process_time() - began < 5
    assert len(found.in_order()) == 2002
