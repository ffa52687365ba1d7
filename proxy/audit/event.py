"""Format one request as an audit.k8s.io/v1 Event: a line of JSON. Pure.

See "Event" in the Kubernetes audit.k8s.io/v1 reference: the caller, the impersonated user, the
object and the outcome. An event contains no header except the user agent, and no body. What the
reference has no field for (the cluster, the reason of a rejection) is an annotation.

The line is formatted by hand, not from a dictionary: each request needs one, and most of it is the
same for many requests.
"""

from collections.abc import Mapping
from json.encoder import encode_basestring_ascii as quoted
from typing import Literal

from impersonation.identity import Subject
from impersonation.impersonate_headers import subject_of
from management.authentication.authenticated_token import AuthenticatedToken
from proxy.audit.redaction import redact_target
from proxy.logs.timestamps import rfc3339
from proxy.logs.truncation import cut, mark
from proxy.request.context import Pieces, RequestContext
from proxy.request.request_info import RequestInfo

Stage = Literal["ResponseStarted", "ResponseComplete"]

ANONYMOUS = '{"username":"system:anonymous","groups":["system:unauthenticated"]}'
CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
"""The key under which Kubernetes' audit events name the token of a caller."""

MAX_TARGET, MAX_ANONYMOUS_TARGET = 4096, 1024
"""Characters of a request's target in an event, with and without an authenticated caller."""

MAX_USER_AGENT = 512

MAX_PART = 256
"""Characters of a part of the target, or of the name of the user to impersonate."""

MAX_GROUPS, MAX_EXTRAS, MAX_VALUES = 64, 16, 8
"""Groups, keys of extras, and values of each key, of the user to impersonate."""

MAX_NOTE = 1024
"""Characters of an annotation, which may contain text from the caller."""

MAX_KEPT = 4096
"""Longer texts, such as those of a user in hundreds of groups, are not cached."""


def event_line(
    access: RequestContext,
    stage: Stage,
    *,
    now: str,
    commands: bool,
    notes: Mapping[str, str] | None = None,
    actor: Subject | None = None,
) -> str:
    """Return the event of a request at ``stage``. ``now`` is the time as text.

    ``notes`` are more annotations; ``commands`` shows the commands of exec. ``actor`` is who acted
    if that is no caller.
    """
    fragments = access.log_fragments
    if (
        fragments is None
        or access.reason
        or access.rejected
        or access.impersonated is not None
        or notes
    ):
        before, after = _pieces(access, notes, commands=commands, actor=actor)
    else:
        pieces = fragments.audit or _pieces(access, notes, commands=commands)
        before, after = pieces
        if len(before) <= MAX_KEPT:
            fragments.audit = pieces
    return (
        '{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata",'
        f'"auditID":"{access.request_id}","stage":"{stage}",{before}{access.status}}},'
        f'"requestReceivedTimestamp":"{rfc3339(access.received_at)}","stageTimestamp":"{now}",{after}'
    )


def _pieces(
    access: RequestContext,
    notes: Mapping[str, str] | None,
    *,
    commands: bool,
    actor: Subject | None = None,
) -> Pieces:
    """Return the parts that do not vary: before the status code, and after the times."""
    info = access.info
    impersonated = ""
    if access.impersonated is not None:
        impersonated = f'"impersonatedUser":{_subject(cut_subject(access.impersonated))},'
    user = _user(access.token) if actor is None else _subject(actor)
    about = f'"objectRef":{_object(info)},' if info.resource else ""
    target = redacted_target(access, commands=commands)
    before = (
        f'"requestURI":{quoted(target)},"verb":"{info.verb}",'
        f'"user":{user},{impersonated}'
        f'"sourceIPs":[{quoted(access.remote)}],'
        f'"userAgent":{quoted(cut(access.user_agent, MAX_USER_AGENT))},{about}'
        '"responseStatus":{"metadata":{},"code":'
    )
    return before, f'"annotations":{{{_annotations(access, notes)}}}}}'


def redacted_target(access: RequestContext, *, commands: bool) -> str:
    """Return the redacted target. It is cut first: redaction takes time for each parameter."""
    target = access.target or access.path
    most = MAX_ANONYMOUS_TARGET if access.token is None else MAX_TARGET
    if len(target) <= most:
        return redact_target(target, commands=commands)
    return redact_target(target[:most], commands=commands) + mark(target)


def cut_subject(subject: Subject) -> Subject:
    """Return the user to impersonate, cut to the limits of a log."""
    groups = tuple(cut(one, MAX_PART) for one in subject.groups[:MAX_GROUPS])
    if len(subject.groups) > MAX_GROUPS:
        groups += (f"…[cut: {len(subject.groups)} groups]",)
    extra = {
        cut(key, MAX_PART): tuple(cut(one, MAX_PART) for one in values[:MAX_VALUES])
        for key, values in list(subject.extra.items())[:MAX_EXTRAS]
    }
    uid = None if subject.uid is None else cut(subject.uid, MAX_PART)
    return Subject(cut(subject.user, MAX_PART), uid, groups, extra)


def _annotations(access: RequestContext, notes: Mapping[str, str] | None) -> str:
    parts = []
    if access.cluster:
        parts.append(f'"sekisho.io/cluster":{quoted(access.cluster)}')
        parts.append(f'"sekisho.io/cluster-id":{quoted(access.cluster_id)}')
    if access.rejected:
        parts.append('"sekisho.io/answered-by":"sekisho"')
    if access.decision:
        parts.append(f'"sekisho.io/decision":"{access.decision}"')
    if access.trace_id:
        parts.append(f'"sekisho.io/trace-id":"{access.trace_id}"')
    if access.reason:
        parts.append(f'"sekisho.io/reason":{quoted(cut(access.reason, MAX_NOTE))}')
    if notes:
        parts += [
            f"{quoted('sekisho.io/' + key)}:{quoted(cut(value, MAX_NOTE))}"
            for key, value in notes.items()
        ]
    return ",".join(parts)


def _user(resolved: AuthenticatedToken | None) -> str:
    """Return the caller and the token. Cached on the token, as long as the token is."""
    if resolved is None:
        return ANONYMOUS
    if not resolved.audit_user:
        subject = subject_of(resolved.identity, resolved.user.id)
        extra = dict(subject.extra) | {CREDENTIAL_ID: (resolved.token.name,)}
        resolved.audit_user = _subject(Subject(subject.user, subject.uid, subject.groups, extra))
    return resolved.audit_user


def _subject(subject: Subject) -> str:
    uid = f'"uid":{quoted(subject.uid)},' if subject.uid is not None else ""
    extra = ",".join(f"{quoted(key)}:{_list(values)}" for key, values in subject.extra.items())
    more = f',"extra":{{{extra}}}' if extra else ""
    return f'{{"username":{quoted(subject.user)},{uid}"groups":{_list(subject.groups)}{more}}}'


def _list(values: tuple[str, ...]) -> str:
    return f"[{','.join(map(quoted, values))}]"


def _object(info: RequestInfo) -> str:
    parts = (
        ("resource", info.resource),
        ("namespace", info.namespace),
        ("name", info.name),
        ("apiGroup", info.group),
        ("apiVersion", info.version),
        ("subresource", info.subresource),
    )
    fields = [
        f'"{key}":{quoted(value if len(value) <= MAX_PART else cut(value, MAX_PART))}'
        for key, value in parts
        if value
    ]
    return "{" + ",".join(fields) + "}"
