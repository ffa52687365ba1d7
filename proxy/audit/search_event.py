"""Convert a request to an event of the searchable audit log. Pure.

The event has the same text as the line in the log, redacted in the same way, and is cut shorter.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime

from impersonation.identity import Subject
from management.http.request_notes import REJECTED
from proxy.audit.event import MAX_PART, cut_subject, redacted_target
from proxy.logs.truncation import cut
from proxy.request.context import RequestContext
from store.audit_records import AnsweredBy, AuditEvent, AuditOutcome, AuditStage

MAX_PATH, MAX_TEXT = 1024, 512
"""Characters of a target, and of a reason or user agent."""

MAX_DETAILS = 4096
"""Characters of the details of an event."""

MAX_GROUPS = 32
"""The groups of the caller that are recorded with a refusal."""

_CLUSTERS = "/k8s/"


def search_event(
    access: RequestContext,
    stage: AuditStage,
    at: float,
    *,
    commands: bool,
    notes: Mapping[str, str] | None = None,
) -> AuditEvent:
    """Return the event of a request that reached ``stage`` at that time (seconds, epoch)."""
    info, token, notes = access.info, access.token, notes or {}
    identity = token.identity if token is not None else None
    sign_in = is_sign_in(notes)
    outcome: AuditOutcome = "refused" if REJECTED in notes else outcome_of(access.status)
    answered_by: AnsweredBy = "cluster"
    if access.rejected or not access.cluster_id or not access.path.startswith(_CLUSTERS):
        answered_by = "sekisho"
    impersonated = access.impersonated
    return AuditEvent(
        at=datetime.fromtimestamp(at, UTC),
        received_at=datetime.fromtimestamp(access.received_at, UTC),
        request_id=access.request_id,
        stage=stage,
        verb=_text(info.verb, MAX_PART),
        code=access.status,
        outcome=outcome,
        answered_by=answered_by,
        user_id=access.user or notes.get("user", ""),
        username=_text(identity.username, MAX_PART) if identity is not None else "",
        principal_id=_text(identity.principal_id, MAX_PART) if identity is not None else "",
        token=token.token.name if token is not None else notes.get("token", ""),
        impersonated=_text(impersonated.user, MAX_PART) if impersonated is not None else "",
        cluster_id=access.cluster_id,
        cluster=access.cluster,
        project_id=notes.get("project", ""),
        namespace=_text(info.namespace, MAX_PART),
        api_group=_text(info.group, MAX_PART),
        resource=_text(info.resource, MAX_PART),
        subresource=_text(info.subresource, MAX_PART),
        name=_text(info.name, MAX_PART),
        path=_text(redacted_target(access, commands=commands), MAX_PATH),
        reason=_text(access.reason or notes.get("reason", ""), MAX_TEXT),
        sign_in=sign_in,
        source=access.remote,
        user_agent=_text(access.user_agent, MAX_TEXT),
        details=_details(access, outcome, notes),
    )


def is_sign_in(notes: Mapping[str, str]) -> bool:
    """Return whether a request signed a user in, or was refused to."""
    return REJECTED in notes or ("user" in notes and "token" in notes)


def outcome_of(code: int) -> AuditOutcome:
    """Return the class of a status code."""
    if code < 400:
        return "success"
    if code in {401, 403}:
        return "refused"
    return "limited" if code == 429 else "error"


def _details(access: RequestContext, outcome: AuditOutcome, notes: Mapping[str, str]) -> str:
    """Return what is rarely needed, as JSON: groups, the impersonated user, annotations."""
    details: dict[str, object] = {}
    if access.token is not None and outcome == "refused":
        groups = [one.id for one in access.token.identity.groups]
        details["groups"] = groups[:MAX_GROUPS]
        if len(groups) > MAX_GROUPS:
            details["more_groups"] = len(groups) - MAX_GROUPS
    if access.decision:
        details["decision"] = access.decision
    if access.trace_id:
        details["trace_id"] = access.trace_id
    if access.impersonated is not None:
        details["impersonated"] = _subject(cut_subject(access.impersonated))
    if notes:
        details["annotations"] = {key: cut(value, MAX_TEXT) for key, value in notes.items()}
    if not details:
        return "{}"
    text = json.dumps(details)  # ASCII: any text can be stored
    return text if len(text) <= MAX_DETAILS else '{"cut":true}'


def _subject(subject: Subject) -> dict[str, object]:
    fields: dict[str, object] = {"groups": list(subject.groups)}
    if subject.uid is not None:
        fields["uid"] = subject.uid
    if subject.extra:
        fields["extra"] = {key: list(values) for key, values in subject.extra.items()}
    return fields


def _text(value: str, most: int) -> str:
    """Return text that both databases can store, cut to a length."""
    if len(value) > most:
        value = cut(value, most)
    if value.isascii():
        return value.replace("\0", "�") if "\0" in value else value
    return value.replace("\0", "�").encode("utf-8", "replace").decode("utf-8")
