"""Who can do something in a cluster, and who can reach what: as JSON, or as a picture."""

from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

from aiohttp import web

from management.access.answer import MAX_SUBJECTS, View
from management.access.chains import Step
from management.access.offload import off_loop
from management.access.picture import STYLE, draw
from management.access.question import PARAMETERS, AccessQuestion, InvalidQuestion, question_from
from management.access.reach import reach_of
from management.access.who_can import ClusterFacts, cluster_facts, who_can
from management.api.access_requirements import cluster_of
from management.api.access_responses import (
    ReachResponse,
    WhoCanResponse,
    reach_json,
    who_can_json,
)
from management.api.authentication import Caller, caller_of
from management.api.openapi_metadata import FLAG, TEXT, openapi
from management.api.request_models import query_flag
from management.api.services import services_of
from management.authorization.permissions import PROJECT_MEMBERS, READ_CLUSTER_MEMBERS
from management.http.problem import ApiProblem

_STYLE_HASH = b64encode(sha256(STYLE.encode()).digest()).decode()
_PICTURE_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

FORMAT: Mapping[str, object] = {"type": "string", "enum": ["json", "svg"]}


@openapi(
    response=WhoCanResponse,
    query={**dict.fromkeys(PARAMETERS, TEXT), "all_namespaces": FLAG, "format": FORMAT},
)
async def answer(request: web.Request) -> web.Response:
    """Return who may do something in the cluster, each with the chains that allow it.

    Those who may read the cluster's members see every chain. Those who manage a project's
    members see the chains that count in its namespaces only. Everyone sees their own.
    """
    services, cluster, caller = services_of(request), cluster_of(request), caller_of(request)
    picture = _wants_picture(request)
    question = _question(request)
    facts = await cluster_facts(services.store, services.rbac, cluster)
    view = view_of(caller, facts, question)
    found = await who_can(services.store, facts, question, view)
    if picture:
        paths = [chain.steps for one in found.holders for chain in one.chains]
        return svg_response(
            paths, f"Who can {question}?", f"{len(found.holders)} in cluster {cluster.name}"
        )
    return web.json_response(who_can_json(cluster.id, cluster.name, found, view))


@openapi(response=ReachResponse, query={"format": FORMAT})
async def reach(request: web.Request) -> web.Response:
    """Return who holds which role in which place of the cluster, Kubernetes' own left out."""
    services, cluster = services_of(request), cluster_of(request)
    picture = _wants_picture(request)
    _check_parameters(request, ())
    facts = await cluster_facts(services.store, services.rbac, cluster)
    found = await off_loop(facts.rbac.size, reach_of, facts.snapshot, facts.overall, facts.rbac)
    if picture:
        return svg_response(
            (one.steps for one in found),
            f"Who can reach what in {cluster.name}",
            f"{len(found)} roles of people, groups and service accounts",
        )
    return web.json_response(
        {
            "cluster": cluster.id,
            "cluster_name": cluster.name,
            "items": [reach_json(one) for one in found[:MAX_SUBJECTS]],
            "more": max(0, len(found) - MAX_SUBJECTS),
            "gaps": list(facts.rbac.gaps),
            "read_at": facts.rbac.read_at.isoformat() if facts.rbac.read_at else None,
        }
    )


def view_of(caller: Caller, facts: ClusterFacts, question: AccessQuestion) -> View:
    """Return what the caller may see of the answer to a question."""
    access, cluster = caller.access, facts.snapshot.cluster
    if READ_CLUSTER_MEMBERS in access.in_cluster(cluster.id).permissions:
        return View(caller.user.id, everything=True)
    managed = {
        one
        for one in facts.snapshot.projects
        if PROJECT_MEMBERS in access.in_project(one, cluster.id).permissions
    }
    return View(
        caller.user.id,
        namespaces=frozenset(
            one.namespace
            for one in facts.snapshot.namespaces
            if one.project_id in managed
            and (question.anywhere or one.namespace == question.namespace)
        ),
    )


def svg_response(paths: Iterable[Sequence[Step]], title: str, description: str) -> web.Response:
    """Return the picture of paths. As a document of its own, it may use its one style only."""
    return web.Response(
        text=draw(paths, title, description),
        content_type="image/svg+xml",
        headers={"Cache-Control": "no-store", "Content-Security-Policy": _PICTURE_POLICY},
    )


def _question(request: web.Request) -> AccessQuestion:
    _check_parameters(request, (*PARAMETERS, "all_namespaces"))
    given = {one: request.query[one] for one in PARAMETERS if one in request.query}
    try:
        return question_from(given, anywhere=query_flag(request, "all_namespaces"))
    except InvalidQuestion as exc:
        raise ApiProblem(422, str(exc)) from None


def _check_parameters(request: web.Request, known: Sequence[str]) -> None:
    unknown = sorted(set(request.query) - {*known, "format"})
    if unknown:
        names = ", ".join(sorted({*known, "format"}))
        raise ApiProblem(422, f"unknown parameter {unknown[0][:64]}; the parameters are {names}")


def _wants_picture(request: web.Request) -> bool:
    wanted = request.query.get("format", "json")
    if wanted not in {"json", "svg"}:
        raise ApiProblem(422, "format must be json or svg")
    return wanted == "svg"
