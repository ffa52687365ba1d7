"""Problems of manifests: those of the caller's text, and those of the cluster that refused it."""

import asyncio

from management.api.caller_requests import problem_of
from management.api.workload_change_models import NewManifest
from management.http.problem import ApiProblem
from management.workload_changes.apply import ManifestResult, ObjectAction, ObjectResult
from management.workload_changes.manifest import InvalidManifest, ManifestObject, read_manifest

_SHOWN = 3
"""Conflicts that a sentence names; the response has all of them."""

_QUICK = 2_000
"""Characters that are read in the event loop. The longest body takes a second, in a thread."""


async def manifest_objects(body: NewManifest) -> list[ManifestObject]:
    """Return the objects of a manifest. Raises ApiProblem with 422, with every problem's line."""
    try:
        if len(body.manifest) <= _QUICK:
            return read_manifest(body.manifest, body.namespace)
        return await asyncio.to_thread(read_manifest, body.manifest, body.namespace)
    except InvalidManifest as exc:
        errors = [{"field": "manifest", "message": str(one)} for one in exc.problems]
        raise ApiProblem(422, f"the manifest is not valid: {exc}", errors=errors) from None


def manifest_problem(result: ManifestResult) -> ApiProblem | None:
    """Return the problem of a manifest that was not applied as a whole, or None.

    Its status is that of the first object that was refused. ``errors`` has every refused object,
    each field that another manager owns, and what was applied before.
    """
    first = next((one for one in result.results if one.refusal is not None), None)
    if first is None or first.refusal is None:
        return None
    problem = problem_of(first.refusal)
    errors = [error for one in result.results for error in _errors(one)]
    detail = f"{refusal_words(first)}; {_written(result)}"
    return ApiProblem(problem.status, detail, headers=problem.headers, errors=errors)


def refusal_words(refused: ObjectResult) -> str:
    """Return a sentence about an object that was refused."""
    title = refused.one.title
    if refused.action is ObjectAction.UNKNOWN:
        return f"{title} may be applied or not ({refused.refusal}): apply the manifest again"
    owned = [f"{one.field} of {one.owner}" for one in refused.conflicts]
    if not owned:
        return f"{title}: {refused.refusal}"
    more = f" and {len(owned) - _SHOWN} more" if len(owned) > _SHOWN else ""
    return (
        f"{title} sets fields that other field managers own: {', '.join(owned[:_SHOWN])}{more}. "
        "Leave them out of the manifest, or have their owners change them"
    )


def _written(result: ManifestResult) -> str:
    if not result.written:
        return "nothing was changed"
    return f"{result.written} of {len(result.results)} objects were applied before"


def _errors(result: ObjectResult) -> list[dict[str, str]]:
    named = {"object": result.one.title, "action": result.action.value}
    if result.conflicts:
        return [{**named, "field": one.field, "owner": one.owner} for one in result.conflicts]
    return [{**named, "message": str(result.refusal)}] if result.refusal else [named]
