"""Answer "why not?" for a recorded request: what refused it, what is missing, who may grant it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from impersonation.identity import ADMINISTRATORS_GROUP, AUTHENTICATED_GROUPS, Subject
from management.access.answer import Holders, Names, View
from management.access.chains import Chain
from management.access.explanation import (
    Caller,
    Cause,
    Verdict,
    caller_subjects,
    impersonation_questions,
    questions_of,
    verdict_of_rules,
    verdict_of_sekisho,
)
from management.access.offload import off_loop
from management.access.origins import Origins
from management.access.people import people_of
from management.access.question import AccessQuestion
from management.access.rbac_objects import ACCOUNT_PREFIX
from management.access.rbac_reader import RbacReader
from management.access.smallest_role import Suggestion, roles_with_rule
from management.access.who_can import ClusterFacts, cluster_facts
from management.authorization.access import Access, access_of
from management.authorization.escalation import lacking_for
from management.authorization.permissions import ALL_PROJECTS, CLUSTER_MEMBERS, PROJECT_MEMBERS
from management.authorization.role_catalog import RoleCatalog
from management.desired_state.snapshot import subject_names
from store.access_records import Binding, Project, Scope
from store.audit_records import AuditEvent
from store.interfaces import Store
from store.records import Cluster, Membership, User

SERVICE_ACCOUNTS = "system:serviceaccounts"
"""The group of all service accounts; that of a namespace has ``:namespace`` after it."""


@dataclass(frozen=True, slots=True)
class Requester:
    """The user of a request, as Sekisho knows the user now."""

    user: User
    groups: Sequence[Membership]
    access: Access


@dataclass(frozen=True, slots=True)
class Why:
    """The explanation of a request.

    ``roles`` would allow it, the smallest first, in ``project`` or else in the cluster.
    ``granters`` are bindings whose subjects may grant the first of them. ``chain`` allows the
    request by now. ``gaps`` are sentences about what could not be read.
    """

    event: AuditEvent
    verdict: Verdict
    cluster: Cluster | None = None
    project: Project | None = None
    roles: Sequence[Suggestion] = ()
    granters: Sequence[Binding] = ()
    chain: Chain | None = None
    gaps: Sequence[str] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


async def explain(store: Store, reader: RbacReader, event: AuditEvent) -> Why:
    """Explain a request to a cluster, from what was recorded and what holds now.

    Raises:
        StoreError: the store is not available.
    """
    details = _details(event)
    decision = str(details.get("decision") or "")
    cluster = await store.clusters.get(event.cluster_id) if event.cluster_id else None
    if event.code < 400:
        verdict = Verdict("allowed", f"The request was not refused: its status is {event.code}.")
        return Why(event, verdict, cluster, details=details)
    by_rules = event.code == 403 and (event.answered_by == "cluster" or decision == "impersonation")
    user = await store.users.get(event.user_id) if event.user_id else None
    if cluster is None or user is None or not by_rules:
        return Why(event, _other(event, decision), cluster, details=details)
    groups = await store.users.memberships(user.id)
    held = await store.tokens.holdings(user.id, [one.id for one in groups])
    requester = Requester(user, groups, access_of(held.bindings, RoleCatalog(held.roles)))
    facts = await cluster_facts(store, reader, cluster)
    return await off_loop(facts.rbac.size, by_cluster, event, details, requester, facts)


def by_cluster(
    event: AuditEvent, details: Mapping[str, Any], requester: Requester, facts: ClusterFacts
) -> Why:
    """Explain a request that the rules of a cluster refused. Pure."""
    cluster, snapshot = facts.snapshot.cluster, facts.snapshot
    nested = _impersonated(event, details)
    denied_to_act = details.get("decision") == "impersonation"
    caller = _own(requester, cluster, details)
    if denied_to_act and nested is not None:
        questions = impersonation_questions(nested)
    else:
        questions = questions_of(_question(event))
        caller = caller if nested is None else Caller(_subjects_of(nested))
    cause: Cause = "impersonation" if denied_to_act else "rbac"
    verdict = verdict_of_rules(questions, caller, facts.rbac, cause=cause)
    project = snapshot.projects.get(event.project_id) or next(
        (
            snapshot.projects.get(one.project_id or "")
            for one in snapshot.namespaces
            if one.namespace == event.namespace
        ),
        None,
    )
    roles: Sequence[Suggestion] = ()
    if verdict.missing and nested is None:
        scopes: tuple[Scope, ...] = ("project", "cluster") if project else ("cluster",)
        roles = roles_with_rule(verdict.missing[0], snapshot.book, facts.rbac, scopes)
    return Why(
        event,
        verdict,
        cluster,
        project,
        roles,
        _granters(roles[0], facts, project) if roles else (),
        _chain(verdict, requester, facts) if nested is None else None,
        facts.rbac.gaps,
        details,
    )


def _other(event: AuditEvent, decision: str) -> Verdict:
    """Return the verdict for a request that no rules of a cluster decided."""
    if event.answered_by == "sekisho" and event.code in {401, 403, 404, 429}:
        return verdict_of_sekisho(decision, event.code)
    who = "Sekisho" if event.answered_by == "sekisho" else "The cluster"
    return Verdict("error", f"{who} responded with {event.code}. That is not a refusal of rights.")


def _own(requester: Requester, cluster: Cluster, details: Mapping[str, Any]) -> Caller:
    """Return who the requester is for the cluster's rules, now, without ``--as``."""
    groups = {one.id for one in requester.groups}
    every = {*groups, *AUTHENTICATED_GROUPS}
    if requester.access.owns_clusters:
        every.add(ADMINISTRATORS_GROUP)
    recorded = details.get("groups")
    lost = [one for one in recorded if one not in groups] if isinstance(recorded, list) else []
    names = subject_names(cluster, requester.user)
    return Caller(caller_subjects(names, every), tuple(map(str, lost)))


def _subjects_of(nested: Subject) -> frozenset[Any]:
    """Return the subjects of a user that another one acts as, as the API server completes it."""
    groups = {*nested.groups, "system:authenticated"}
    if nested.user.startswith(ACCOUNT_PREFIX):
        namespace = nested.user.removeprefix(ACCOUNT_PREFIX).partition(":")[0]
        groups |= {SERVICE_ACCOUNTS, f"{SERVICE_ACCOUNTS}:{namespace}"}
    return caller_subjects([nested.user], groups)


def _question(event: AuditEvent) -> AccessQuestion:
    if not event.resource:
        return AccessQuestion(event.verb, url=event.path.partition("?")[0] or "/")
    return AccessQuestion(
        event.verb,
        group=event.api_group,
        resource=event.resource,
        subresource=event.subresource,
        namespace=event.namespace,
        name=event.name,
    )


def _granters(wanted: Suggestion, facts: ClusterFacts, project: Project | None) -> list[Binding]:
    """Return the bindings by which a member may grant the role there."""
    snapshot, role = facts.snapshot, wanted.role
    catalog, cluster_id = snapshot.book, snapshot.cluster.id
    place = project.id if project is not None and role.scope == "project" else None
    found = []
    for one in snapshot.bindings:
        if one.project_id not in {None, place}:
            continue
        held = catalog.content(one.role_id).permissions
        needed = PROJECT_MEMBERS if one.project_id else ALL_PROJECTS if place else CLUSTER_MEMBERS
        access = access_of([one], catalog)
        lacking = lacking_for(role, catalog, access, cluster_id=cluster_id, project_id=place)
        if needed in held and not lacking:
            found.append(one)
    # Those of the project first: they know the requester.
    return sorted(found, key=lambda one: (one.project_id is None, one.name))


def _chain(verdict: Verdict, requester: Requester, facts: ClusterFacts) -> Chain | None:
    """Return the chain by which the requester may do it by now."""
    if verdict.grant is None:
        return None
    snapshot, user = facts.snapshot, requester.user
    memberships = [(one.id, one.name, user.id) for one in requester.groups]
    people = people_of(snapshot.cluster, [user], memberships, snapshot.bindings)
    names = Names(snapshot.cluster, snapshot.book, snapshot.projects)
    holders = Holders(names, Origins(snapshot, facts.overall), people, View(user.id))
    found = (chain for step, chain in holders.chains(verdict.grant) if step.kind != "group")
    return next(found, None)


def _details(event: AuditEvent) -> Mapping[str, Any]:
    found = json.loads(event.details or "{}")
    return found if isinstance(found, dict) else {}


def _impersonated(event: AuditEvent, details: Mapping[str, Any]) -> Subject | None:
    """Return the user that the request wanted to act as."""
    if not event.impersonated:
        return None
    found = details.get("impersonated")
    parts = found if isinstance(found, dict) else {}
    uid, extra = parts.get("uid"), parts.get("extra")
    return Subject(
        event.impersonated,
        uid if isinstance(uid, str) else None,
        tuple(parts.get("groups") or ()),
        {key: tuple(values) for key, values in extra.items()} if isinstance(extra, dict) else {},
    )
