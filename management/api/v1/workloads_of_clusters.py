"""Apply one manifest to several clusters, as the calling user.

Clusters begin in the order of the request, a few at a time. Each has an answer of its own. Nothing
is stored: what has not begun when the request ends never begins.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from config.labels import InvalidSelector, Selector
from config.loggers import get_logger
from management.api.authentication import ON_CLIENT_LEFT, caller_of
from management.api.caller_requests import caller_client, problem_of
from management.api.idempotency import UNFINISHED
from management.api.manifest_problems import manifest_objects, refusal_words
from management.api.openapi_metadata import openapi
from management.api.services import services_of
from management.api.token_reach import reaches
from management.api.workload_change_models import (
    MAX_CLUSTERS,
    ClusterResultsResponse,
    ManifestForClusters,
    object_json,
)
from management.caller_client.errors import CallerRequestError, RequestRefused
from management.errors import no_cluster
from management.http.body import read_body
from management.http.problem import REQUEST_ID, ApiProblem
from management.http.request_notes import add_audit_note
from management.workload_changes.apply import (
    ManifestApplication,
    ManifestResult,
    ObjectAction,
    is_undecided,
)
from management.workload_changes.manifest import ManifestObject
from management.workload_changes.many_clusters import OrderedRun
from store.records import Cluster

CLUSTER_SECONDS = 30.0
"""Time limit for one cluster."""

BEGIN_SECONDS = UNFINISHED.total_seconds() - CLUSTER_SECONDS - 10.0
"""No cluster begins later, so that the request ends before another one with its key can begin."""

MAX_CHANGES = 20
"""Changed fields that are shown of one object in one cluster."""

_FORBIDDEN = frozenset({401, 403})
_SUCCESSES = frozenset({"changed", "unchanged"})

_LOG = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Target:
    """A cluster of the request. ``cluster`` is None if the caller may enter none of that name.

    ``number`` begins at 1, and is in the ids of the requests to the cluster. ``outside``: the
    caller may enter it, but not with this token.
    """

    number: int
    name: str
    cluster: Cluster | None
    outside: bool = False


@dataclass(frozen=True, slots=True)
class _Answer:
    """The answer of one cluster."""

    outcome: str
    status: int | None
    detail: str | None = None
    result: ManifestResult | None = None

    @property
    def failed(self) -> bool:
        return self.outcome not in _SUCCESSES


@openapi(body=ManifestForClusters, response=ClusterResultsResponse)
async def apply_to_clusters(request: web.Request) -> web.Response:
    """Apply a manifest to several clusters, with one answer for each.

    With ``dry_run``, the answers have the fields that would change. If the client leaves, clusters
    that have begun are completed, and no other begins. The response is stored under the
    ``Idempotency-Key``, failures included; applying a manifest again changes nothing twice.
    """
    body = await read_body(request, ManifestForClusters)
    objects = await manifest_objects(body)
    targets = await _targets(request, body)

    async def work(target: _Target) -> _Answer:
        return await _answer(request, target, objects, dry_run=body.dry_run)

    run = OrderedRun(
        targets,
        work,
        concurrency=body.concurrency,
        stops=lambda answer: body.stop_on_failure and answer.failed,
    )
    request[ON_CLIENT_LEFT] = lambda: run.stop("the client left")
    await run.run(begin_seconds=BEGIN_SECONDS)
    reason = run.reason if None in run.results else None
    not_begun = _Answer("not_begun", None, reason)
    answers = [one or not_begun for one in run.results]
    _note(request, objects, targets, answers, dry_run=body.dry_run)
    pairs = zip(targets, answers, strict=True)
    return web.json_response(
        {
            "dry_run": body.dry_run,
            "failed": sum(one.failed for one in answers),
            "stopped": reason,
            "items": [_answer_json(target, answer) for target, answer in pairs],
        }
    )


async def _targets(request: web.Request, body: ManifestForClusters) -> list[_Target]:
    """Return the clusters of the request, each once: as listed, or by their names.

    Raises:
        ApiProblem: 422 if the selector is not valid, or selects no cluster or too many.
    """
    caller, clusters = caller_of(request), services_of(request).store.clusters
    if body.clusters is not None:
        found: dict[str, _Target] = {}
        for name in body.clusters:
            cluster = await clusters.get(name)
            if cluster is not None and not caller.access.can_enter(cluster.id):
                cluster = None
            outside = cluster is not None and not reaches(caller, cluster.id)
            if outside:
                cluster = None
            key, shown = (cluster.id, cluster.name) if cluster is not None else (name, name)
            found.setdefault(key, _Target(len(found) + 1, shown, cluster, outside))
        return list(found.values())
    selector = _selector(body.selector or "")
    every = [
        one
        for one in await clusters.list_all()
        if caller.access.can_enter(one.id) and reaches(caller, one.id)
    ]
    selected = [one for one in every if selector.matches(one.labels)]
    if not selected:
        raise ApiProblem(422, "the selector selects no cluster that you may enter")
    if len(selected) > MAX_CLUSTERS:
        raise ApiProblem(
            422, f"the selector selects {len(selected)} clusters, and {MAX_CLUSTERS} are allowed"
        )
    selected.sort(key=lambda one: one.name)
    return [_Target(number, one.name, one) for number, one in enumerate(selected, 1)]


def _selector(text: str) -> Selector:
    try:
        return Selector.parse(text)
    except InvalidSelector as exc:
        raise ApiProblem(422, f"selector: {exc}") from None


async def _answer(
    request: web.Request, target: _Target, objects: Sequence[ManifestObject], *, dry_run: bool
) -> _Answer:
    """Apply the manifest to one cluster. Never raises: every failure is an answer."""
    if target.outside:
        return _Answer("forbidden", 403, f'the token is not for cluster "{target.name}"')
    if target.cluster is None:
        return _Answer("unknown_cluster", 404, no_cluster(target.name))
    application: ManifestApplication | None = None
    try:
        async with (
            asyncio.timeout(CLUSTER_SECONDS),
            caller_client(request, target.cluster.id, f"-{target.number}") as client,
        ):
            application = ManifestApplication(client, objects)
            return _answer_of(await application.run(dry_run=dry_run))
    except CallerRequestError as exc:
        return _Answer("unavailable", problem_of(exc).status, str(exc))
    except TimeoutError:
        detail = f"the cluster did not complete the manifest within {CLUSTER_SECONDS:g} seconds"
        done = application.result if application is not None else None
        return _Answer("unavailable", 504, f"{detail}{_so_far(done)}", done)
    except Exception:
        _LOG.exception("manifest not applied", request_id=request[REQUEST_ID])
        detail = "an internal error; the log has details under the request id"
        return _Answer("unavailable", 500, detail)


def _answer_of(result: ManifestResult) -> _Answer:
    refused = next((one for one in result.results if one.refusal is not None), None)
    if refused is None or refused.refusal is None:
        return _Answer("changed" if result.changed else "unchanged", 200, None, result)
    status = problem_of(refused.refusal).status
    outcome = "conflict" if refused.conflicts else _outcome(refused.refusal)
    return _Answer(outcome, status, refusal_words(refused) + _so_far(result), result)


def _outcome(refusal: CallerRequestError) -> str:
    if is_undecided(refusal):
        return "unavailable"
    if isinstance(refusal, RequestRefused) and refusal.status in _FORBIDDEN:
        return "forbidden"
    return "rejected"


def _so_far(result: ManifestResult | None) -> str:
    """Return the end of a sentence: what was applied before the failure."""
    if result is None or not (result.written or _uncertain(result)):
        return "; nothing was changed"
    unknown = ", and of one more it is unknown" if _uncertain(result) else ""
    return f"; {result.written} of {len(result.results)} objects were applied{unknown}"


def _uncertain(result: ManifestResult) -> bool:
    return any(one.action is ObjectAction.UNKNOWN for one in result.results)


def _answer_json(target: _Target, answer: _Answer) -> dict[str, Any]:
    results = answer.result.results if answer.result is not None else ()
    return {
        "cluster": target.cluster.id if target.cluster is not None else None,
        "name": target.name,
        "outcome": answer.outcome,
        "status": answer.status,
        "detail": answer.detail,
        "items": [object_json(one, MAX_CHANGES) for one in results],
    }


def _note(
    request: web.Request,
    objects: Sequence[ManifestObject],
    targets: Sequence[_Target],
    answers: Sequence[_Answer],
    *,
    dry_run: bool,
) -> None:
    """Record in the audit log what was done where. The client may have left."""
    facts: dict[str, list[str]] = {"objects": [one.title for one in objects]}
    for target, answer in zip(targets, answers, strict=True):
        if target.cluster is not None:
            facts.setdefault(answer.outcome, []).append(target.cluster.id)
    add_audit_note(
        request,
        dry_run=str(dry_run).lower(),
        **{key: ", ".join(values) for key, values in facts.items()},
    )
