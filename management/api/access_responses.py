"""Models of the responses to questions about access, and the JSON of chains."""

from typing import Any, Literal

from management.access.answer import MAX_SUBJECTS, Holder, View
from management.access.chains import Chain, Step
from management.access.question import PARAMETERS
from management.access.reach import Reach
from management.access.who_can import WhoCan
from management.api.response_model import ResponseModel
from management.api.response_models import GroupResponse, OwnGroup, RuleResponse


class StepResponse(ResponseModel):
    """One step of a chain: a person, a group, a binding, a role or a rule.

    ``place`` is a namespace, a project or a cluster, or a person's provider; empty: everywhere.
    """

    kind: str
    id: str
    name: str
    place: str


class ChainResponse(ResponseModel):
    """The steps from a subject to a rule. ``namespace`` null: it counts in the whole cluster."""

    source: Literal["sekisho", "cluster"]
    namespace: str | None
    steps: list[StepResponse]


class HolderResponse(ResponseModel):
    """A subject that may do something.

    ``members``: how many users of Sekisho are in the group. ``blocked``: why the subject cannot use
    it now. ``more_chains`` counts chains that are left out.
    """

    kind: str
    id: str
    name: str
    place: str
    members: int | None
    blocked: str | None
    chains: list[ChainResponse]
    more_chains: int


class WayResponse(ResponseModel):
    """A subject that can get a permission by others that it holds."""

    kind: str
    id: str
    name: str
    place: str
    by: list[str]


class WhoCanResponse(ResponseModel):
    """The answer to "who can?".

    ``shown``: what the caller may see of it. ``hidden`` counts the subjects that are left out for
    that reason (null: not counted), ``more`` those over the limit. ``gaps`` are sentences about
    what could not be read. ``read_at`` null: the cluster could not be read.
    """

    cluster: str
    cluster_name: str
    question: dict[str, str]
    text: str
    shown: Literal["everything", "projects", "own"]
    subjects: list[HolderResponse]
    ways: list[WayResponse]
    more: int
    hidden: int | None
    gaps: list[str]
    read_at: str | None


class ReachItem(ResponseModel):
    """A subject holds a role in a place. ``namespaces`` are those of a project."""

    source: Literal["sekisho", "cluster"]
    subject: StepResponse
    role: StepResponse
    place: StepResponse
    namespaces: list[str]


class ReachResponse(ResponseModel):
    """Who can reach what in a cluster. ``more`` counts items over the limit."""

    cluster: str
    cluster_name: str
    items: list[ReachItem]
    more: int
    gaps: list[str]
    read_at: str | None


class PlaceResponse(ResponseModel):
    """What a user holds in a place. ``via`` are the steps to each role there."""

    id: str
    name: str
    permissions: list[str]
    cluster_roles: list[str]
    rules: list[RuleResponse]
    via: list[list[StepResponse]]


class ProjectPlace(PlaceResponse):
    """What a user holds in a project, in addition to what they hold in its cluster."""

    namespaces: list[str]


class ClusterPlace(PlaceResponse):
    """What a user holds in a cluster and in its projects."""

    projects: list[ProjectPlace]


class HeldRoleResponse(ChainResponse):
    """A role that a user holds in a cluster's RBAC, with its rules."""

    rules: list[RuleResponse]
    more_rules: int


class RbacOfUser(ResponseModel):
    """The roles that a user holds in a cluster's RBAC."""

    cluster: str
    cluster_name: str
    roles: list[HeldRoleResponse]
    more: int
    gaps: list[str]
    read_at: str | None


class AccessSubject(ResponseModel):
    """The user whose access it is."""

    id: str
    username: str
    display_name: str
    enabled: bool


class UserAccessResponse(ResponseModel):
    """What a user may do. ``hidden`` counts the places that the caller may not see."""

    user: AccessSubject
    groups: list[OwnGroup]
    overall: PlaceResponse
    clusters: list[ClusterPlace]
    more: int
    hidden: int
    rbac: RbacOfUser | None


class GroupAccessResponse(ResponseModel):
    """What a group gives to its members. ``hidden``: places that the caller may not see."""

    group: GroupResponse
    overall: PlaceResponse
    clusters: list[ClusterPlace]
    more: int
    hidden: int


class MissingResponse(ResponseModel):
    """A rule that no role of the user has."""

    text: str
    rule: RuleResponse
    rule_text: str


class SuggestedRole(ResponseModel):
    """A role that would allow a request."""

    id: str
    name: str
    scope: str


class GrantersResponse(ResponseModel):
    """Who may grant the first role; ``names`` only if the caller may see them."""

    text: str
    names: list[str]


class ExplanationResponse(ResponseModel):
    """Why a request was refused. ``message`` is Sekisho's own at that time.

    ``missing`` is computed now; ``allowed_now``: the cluster's rules allow the request by now, by
    ``chain``. ``roles`` have the missing rule or permission, the smallest first.
    """

    request_id: str
    time: str
    user: str
    username: str
    request: str
    cluster: str
    cluster_name: str
    namespace: str
    code: int
    refused_by: str
    cause: str
    text: str
    message: str
    remedy: str
    missing: list[MissingResponse]
    allowed_now: bool
    chain: ChainResponse | None
    roles: list[SuggestedRole]
    granters: GrantersResponse | None
    gaps: list[str]


def step_json(step: Step) -> dict[str, str]:
    """Return a step as the API shows it."""
    return {"kind": step.kind, "id": step.id, "name": step.name, "place": step.place}


def chain_json(chain: Chain) -> dict[str, Any]:
    """Return a chain as the API shows it."""
    return {
        "source": chain.source,
        "namespace": chain.namespace or None,
        "steps": [step_json(one) for one in chain.steps],
    }


def holder_json(holder: Holder) -> dict[str, Any]:
    """Return a holder as the API shows it."""
    return {
        **step_json(holder.step),
        "members": holder.members,
        "blocked": holder.blocked or None,
        "chains": [chain_json(one) for one in holder.chains],
        "more_chains": holder.more,
    }


def who_can_json(cluster_id: str, name: str, answer: WhoCan, view: View) -> dict[str, Any]:
    """Return an answer as the API shows it."""
    asked = answer.question
    shown = "everything" if view.everything else "projects" if view.namespaces else "own"
    return {
        "cluster": cluster_id,
        "cluster_name": name,
        "question": {one: getattr(asked, one) for one in PARAMETERS if getattr(asked, one)},
        "text": str(asked),
        "shown": shown,
        "subjects": [holder_json(one) for one in answer.holders[:MAX_SUBJECTS]],
        "ways": [{**step_json(one.step), "by": list(by)} for one, by in answer.ways[:MAX_SUBJECTS]],
        "more": max(0, len(answer.holders) - MAX_SUBJECTS) + answer.left_out,
        "hidden": None if shown == "own" else answer.hidden,
        "gaps": list(answer.gaps),
        "read_at": answer.rbac.read_at.isoformat() if answer.rbac.read_at else None,
    }


def reach_json(one: Reach) -> dict[str, Any]:
    """Return what a subject holds as the API shows it."""
    return {
        "source": one.source,
        "subject": step_json(one.subject),
        "role": step_json(one.role),
        "place": step_json(one.place),
        "namespaces": list(one.namespaces),
    }
