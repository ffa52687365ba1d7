"""Apply the objects of a manifest to one cluster, server-side and never forced.

Every object is tried first (``dryRun=All``). If the cluster would refuse one, nothing is changed.
Otherwise the objects are applied in their order, until one is refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from management.caller_client.client import CallerClient
from management.caller_client.errors import CallerRequestError, RequestRefused
from management.kubernetes.validation import mapping
from management.workload_changes.cut_numbers import cut_numbers, has_large_numbers
from management.workload_changes.field_changes import (
    NO_CHANGES,
    FieldChanges,
    field_changes,
)
from management.workload_changes.field_conflicts import FieldConflict, field_conflicts
from management.workload_changes.manifest import MAX_PROBLEMS, ManifestObject

APPLY = "application/apply-patch+yaml"

FIELD_MANAGER = "sekisho-workloads"
"""The owner of the fields that users change here. The controllers have another name, so that a
manifest never takes over what these maintain."""

MAX_READS = 3
"""Attempts to read an object that another client changes meanwhile."""

_NOT_OF_ITS_TYPE = ("failed to create typed patch object", "failed to convert new object")
"""Begin what an API server says about a field that is unknown or has the wrong type, with 500."""

_FOR_ALL = frozenset({401, 429})
_SERVER_ERRORS = 500


class ObjectAction(StrEnum):
    """What happened to an object, or would happen to it."""

    CREATE = "create"
    CHANGE = "change"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    NOT_APPLIED = "not_applied"
    UNKNOWN = "unknown"
    """The cluster did not respond in time: the object may have been applied."""


@dataclass(frozen=True, slots=True)
class ObjectResult:
    """The result for one object. ``refusal`` is set if the cluster refused it."""

    one: ManifestObject
    action: ObjectAction
    changes: FieldChanges = NO_CHANGES
    refusal: CallerRequestError | None = None

    @property
    def conflicts(self) -> list[FieldConflict]:
        """Return the fields that other managers own; none unless that is why it was refused."""
        if not isinstance(self.refusal, RequestRefused):
            return []
        return field_conflicts(self.refusal.details)


@dataclass(frozen=True, slots=True)
class ManifestResult:
    """The results of all objects, in order. ``written``: objects that the cluster has stored."""

    results: Sequence[ObjectResult]
    written: int = 0

    @property
    def refusal(self) -> CallerRequestError | None:
        """Return the first refusal, or None if all objects were accepted."""
        return next((one.refusal for one in self.results if one.refusal is not None), None)

    @property
    def changed(self) -> bool:
        """Return whether an object was, or would be, created or changed."""
        return any(one.action in {ObjectAction.CREATE, ObjectAction.CHANGE} for one in self.results)


class ManifestApplication:
    """The application of a manifest to one cluster. Use it once.

    ``result`` is valid at any time: an application that is cancelled leaves there what it did.
    """

    def __init__(self, client: CallerClient, objects: Sequence[ManifestObject]) -> None:
        self._client = client
        self._objects = objects
        self._new_accounts = any(one.kind.kind == "ServiceAccount" for one in objects)
        self._results = [ObjectResult(one, ObjectAction.NOT_APPLIED) for one in objects]
        self._written = 0

    @property
    def result(self) -> ManifestResult:
        """Return what has happened so far."""
        return ManifestResult(tuple(self._results), self._written)

    async def run(self, *, dry_run: bool) -> ManifestResult:
        """Try all objects; unless ``dry_run``, apply them if the cluster would accept all."""
        tries = await self._tries()
        if dry_run:
            return ManifestResult(tries)
        if any(one.refusal is not None for one in tries):
            pairs = zip(tries, self._results, strict=True)
            self._results = [tried if tried.refusal else other for tried, other in pairs]
            return self.result
        for number, tried in enumerate(tries):
            self._results[number] = replace(tried, action=ObjectAction.UNKNOWN)
            self._results[number] = await self._write(tried)
            if self._results[number].refusal is not None:
                break
        return self.result

    async def _tries(self) -> list[ObjectResult]:
        tries = list(self._results)
        for number, one in enumerate(self._objects):
            tries[number] = tried = await self._try(one)
            if tried.refusal is not None and _concerns_all(tried.refusal):
                break
        return tries

    async def _try(self, one: ManifestObject) -> ObjectResult:
        """Return what applying the object would do."""
        try:
            return await self._difference(one)
        except CallerRequestError as exc:
            return ObjectResult(one, ObjectAction.REFUSED, refusal=exc)

    async def _difference(self, one: ManifestObject) -> ObjectResult:
        """Try the object, and compare. Raises CallerRequestError.

        A dry run has the version of the object that it would change. If another client changed the
        object since it was read, it is read again, so that the difference has no changes of others.
        """
        found = NO_CHANGES
        for _ in range(MAX_READS):
            before = await self._find(one)
            if before is None and one.kind.kind == "Pod" and self._new_accounts:
                # The cluster refuses to try a pod whose service account does not exist yet.
                await self._try_numbers(one)
                return ObjectResult(one, ObjectAction.CREATE)
            after = await self._patch(one, {"dryRun": "All"})
            _refuse_cut_numbers(one, after)
            if before is None:
                return ObjectResult(one, ObjectAction.CREATE)
            found = field_changes(before, after)
            if _version(before) == _version(after):
                break
        return ObjectResult(one, ObjectAction.CHANGE if found else ObjectAction.UNCHANGED, found)

    async def _try_numbers(self, one: ManifestObject) -> None:
        """Try a pod as another account, only if it has numbers that the cluster may cut."""
        if not has_large_numbers(one.content):
            return
        spec = {**mapping(one.content.get("spec")), "serviceAccountName": "default"}
        spec.pop("serviceAccount", None)
        other = replace(one, content={**one.content, "spec": spec})
        _refuse_cut_numbers(one, await self._patch(other, {"dryRun": "All"}))

    async def _find(self, one: ManifestObject) -> Mapping[str, Any] | None:
        try:
            return await self._client.get(one.path)
        except RequestRefused as exc:
            if exc.status != 404:
                raise
            return None

    async def _write(self, tried: ObjectResult) -> ObjectResult:
        try:
            await self._patch(tried.one, {})
        except CallerRequestError as exc:
            action = ObjectAction.UNKNOWN if is_undecided(exc) else ObjectAction.REFUSED
            return ObjectResult(tried.one, action, refusal=exc)
        self._written += 1
        return tried

    async def _patch(self, one: ManifestObject, query: dict[str, str]) -> Mapping[str, Any]:
        query = {"fieldManager": FIELD_MANAGER, "force": "false", **query}
        try:
            return await self._client.request(
                "PATCH", one.path, body=one.content, content_type=APPLY, query=query
            )
        except RequestRefused as exc:
            if exc.status == _SERVER_ERRORS and str(exc).startswith(_NOT_OF_ITS_TYPE):
                # The manifest is wrong, and the cluster is well.
                raise RequestRefused(422, str(exc), reason="Invalid") from exc
            raise


def _refuse_cut_numbers(one: ManifestObject, after: Mapping[str, Any]) -> None:
    """Raise RequestRefused if the cluster would store other numbers than the manifest has."""
    problems = cut_numbers(one.content, after)
    if problems:
        raise RequestRefused(422, "; ".join(problems[:MAX_PROBLEMS]), reason="Invalid")


def _version(found: Mapping[str, Any]) -> object:
    return mapping(found.get("metadata")).get("resourceVersion")


def is_undecided(refusal: CallerRequestError) -> bool:
    """Return whether the cluster did not respond, or did not decide about the request."""
    return not isinstance(refusal, RequestRefused) or refusal.status >= _SERVER_ERRORS


def _concerns_all(refusal: CallerRequestError) -> bool:
    """Return whether the next object would be refused for the same reason."""
    if is_undecided(refusal):
        return True
    return isinstance(refusal, RequestRefused) and refusal.status in _FOR_ALL
