"""Explain why a request to a cluster was refused, from its recorded facts and today's rights. Pure.

The cluster's own message is not recorded. What RBAC lacks is computed again, so an explanation says
if the right exists by now.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from impersonation.identity import Subject
from impersonation.nested import permissions_needed
from management.access.evaluation import Grant, grants
from management.access.question import AccessQuestion
from management.access.rbac_objects import ClusterRbac, RbacSubject, subject_of_user
from management.access.smallest_role import Suggestion
from management.http.decisions import Decision

CONNECT = "connect"
"""The recorded verb of every upgrade."""

Cause = (
    Decision | Literal["allowed", "limit", "error", "permission", "rbac", "admission", "unknown"]
)
"""Why a request was answered so: the recorded decision, or another cause."""

BY_SEKISHO: dict[Decision, tuple[str, str]] = {
    "password_change": (
        "Your password was set by an administrator, and must be changed first.",
        "Run `sekisho login`, or change it on the sign-in page.",
    ),
    "cluster_entry": (
        "No cluster with that name exists, or the user may not enter it.",
        "Ask an owner of the cluster for a role in it or in one of its projects.",
    ),
    "token_cluster": (
        "The token is limited to other clusters. The user's own rights were not reached.",
        "Use a token without that limit, or create one for this cluster.",
    ),
    "token_project": (
        "The token is limited to its projects' namespaces. The user's own rights were not reached.",
        "Use a token without that limit, or create one for this project.",
    ),
    "token_read_only": (
        "The token only reads. The user's own rights were not reached.",
        "Use a token that is not read-only.",
    ),
    "impersonation_unsupported": (
        "In this cluster each user acts through a separate account, so no user can act as another.",
        "Leave out --as.",
    ),
    "identity": (
        "The user's identity cannot be sent to this cluster in full.",
        "Ask an administrator; the log has the reason under the request id.",
    ),
    "origin": (
        "A page sent the request with the session's cookie, but without its CSRF token.",
        "Send the request from Sekisho's own pages, or with a token.",
    ),
}
"""What was decided, and the remedy, by the recorded decision."""

BY_CODE: dict[int, tuple[Cause, str, str]] = {
    401: (
        "origin",
        "The request had no valid credential.",
        "Sign in again: `sekisho login`.",
    ),
    429: (
        "limit",
        "A limit on requests was reached.",
        "Send the request again later, or fewer at the same time.",
    ),
}


@dataclass(frozen=True, slots=True)
class Caller:
    """The identities of a request's user in its cluster, now and as recorded.

    ``subjects`` are those of today. ``lost_groups`` are groups that the user was in at the time of
    the request and is no longer in.
    """

    subjects: frozenset[RbacSubject]
    lost_groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What decided, and what is missing.

    ``missing`` are the requests that RBAC does not allow, ``grant`` is what allows them by now.
    """

    cause: Cause
    text: str
    remedy: str = ""
    missing: Sequence[AccessQuestion] = ()
    grant: Grant | None = None
    roles: Sequence[Suggestion] = ()


def caller_subjects(names: Collection[str], groups: Collection[str]) -> frozenset[RbacSubject]:
    """Return the subjects that a user with these names and groups is for RBAC."""
    found = {subject_of_user(name) for name in names}
    return frozenset(found | {RbacSubject("Group", group) for group in groups})


def questions_of(question: AccessQuestion) -> list[AccessQuestion]:
    """Return the requests that the cluster has to allow.

    An upgrade (exec) is ``create`` or, over a WebSocket, ``get``: versions of Kubernetes differ.
    """
    if question.verb != CONNECT:
        return [question]
    return [replace(question, verb=verb) for verb in ("create", "get")]


def impersonation_questions(subject: Subject) -> list[AccessQuestion]:
    """Return what a caller must be allowed to do, to act as ``subject``."""
    return [
        AccessQuestion(
            "impersonate",
            group=one.group,
            resource=one.resource,
            subresource=one.subresource,
            namespace=one.namespace,
            name=one.name,
        )
        for one in permissions_needed(subject)
    ]


def verdict_of_sekisho(decision: str, code: int) -> Verdict:
    """Return the verdict for a request that Sekisho refused, except those about rules."""
    if decision in BY_SEKISHO:
        return Verdict(decision, *BY_SEKISHO[decision])
    if code in BY_CODE:
        return Verdict(*BY_CODE[code])
    return Verdict("unknown", "Sekisho refused the request; the reason is the message.")


def verdict_of_rules(
    questions: Sequence[AccessQuestion], caller: Caller, rbac: ClusterRbac, *, cause: Cause
) -> Verdict:
    """Return the verdict for a request that the cluster's RBAC decided."""
    missing, allowed = [], None
    for question in questions:
        found = first_grant(question, caller.subjects, rbac)
        if found is None:
            missing.append(question)
        allowed = allowed or found
    if not missing:
        return _allowed_by_now(allowed, cause)
    rule = "; ".join(str(one) for one in missing)
    if cause == "impersonation":
        text = f"Acting as another user needs a permission in the cluster that is missing: {rule}."
    else:
        text = f"No role of the user in the cluster allows it: {rule}."
    if caller.lost_groups:
        text += " The user has left groups since: " + ", ".join(caller.lost_groups) + "."
    return Verdict(cause, text, missing=missing)


def first_grant(
    question: AccessQuestion, subjects: Collection[RbacSubject], rbac: ClusterRbac
) -> Grant | None:
    """Return a grant that lets one of the subjects do it; None if none does."""
    return next((one for one in grants(question, rbac) if one.subject in subjects), None)


def _allowed_by_now(grant: Grant | None, cause: Cause) -> Verdict:
    """Return the verdict if rules allow the request now, although it was refused."""
    text = "The user's roles allow it by now, so either they have changed since the request, or "
    if cause == "impersonation":
        return Verdict(cause, f"{text}the cluster has other authorizers.", grant=grant)
    return Verdict(
        "admission",
        f"{text}admission refused it: a policy, a quota, Pod Security or a webhook.",
        "The cluster's message names what refused it. If the roles are new, try again.",
        grant=grant,
    )
