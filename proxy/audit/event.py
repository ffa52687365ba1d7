"""One request as an audit.k8s.io/v1 Event: a line of JSON. Pure.

See "Event" in the Kubernetes audit.k8s.io/v1 reference: who, on whose behalf, what, where, and the
outcome; never a header but the user agent, never a body. Where the reference has no field for it
(the cluster, why the gate refused), it is an annotation.

Written by hand rather than from a dictionary: it is done for every request, and most of it is the
same each time.
"""

from collections.abc import Mapping
from json.encoder import encode_basestring_ascii as quoted
from typing import Literal

from impersonation.identity import Subject
from impersonation.outbound import subject_of
from management.resolver import Resolved
from proxy.access import Access, Pieces
from proxy.request_info import RequestInfo
from proxy.shown_target import shown_target
from proxy.timestamps import rfc3339

Stage = Literal["ResponseStarted", "ResponseComplete"]

ANONYMOUS = '{"username":"system:anonymous","groups":["system:unauthenticated"]}'
CREDENTIAL_ID = "authentication.kubernetes.io/credential-id"
"""Under which Kubernetes' own audit events name the token that somebody used."""

MAX_USER_AGENT = 512

MAX_KEPT = 4096
"""Longer texts are made anew each time: those of somebody in hundreds of groups."""


def event_line(
    access: Access,
    stage: Stage,
    *,
    now: str,
    commands: bool,
    notes: Mapping[str, str] | None = None,
) -> str:
    """``access`` at ``stage``; ``now`` as text.

    ``notes`` are more annotations; ``commands`` shows exec's.
    """
    told = access.told
    if told is None or access.note or access.refused or access.acting_as is not None or notes:
        before, after = _pieces(access, notes, commands=commands)
    else:
        pieces = told.audit or _pieces(access, notes, commands=commands)
        before, after = pieces
        if len(before) <= MAX_KEPT:
            told.audit = pieces
    return (
        '{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata",'
        f'"auditID":"{access.request_id}","stage":"{stage}",{before}{access.code}}},'
        f'"requestReceivedTimestamp":"{rfc3339(access.received)}","stageTimestamp":"{now}",{after}'
    )


def _pieces(access: Access, notes: Mapping[str, str] | None, *, commands: bool) -> Pieces:
    """What is the same for every such request: before its code, and behind its times."""
    info = access.info
    impersonated = ""
    if access.acting_as is not None:
        impersonated = f'"impersonatedUser":{_subject(access.acting_as)},'
    about = f'"objectRef":{_object(info)},' if info.resource else ""
    target = shown_target(access.target or access.path, commands=commands)
    before = (
        f'"requestURI":{quoted(target)},"verb":"{info.verb}",'
        f'"user":{_user(access.resolved)},{impersonated}'
        f'"sourceIPs":[{quoted(access.remote)}],'
        f'"userAgent":{quoted(access.user_agent[:MAX_USER_AGENT])},{about}'
        '"responseStatus":{"metadata":{},"code":'
    )
    return before, f'"annotations":{{{_annotations(access, notes)}}}}}'


def _annotations(access: Access, notes: Mapping[str, str] | None) -> str:
    said = []
    if access.cluster:
        said.append(f'"sekisho.io/cluster":{quoted(access.cluster)}')
        said.append(f'"sekisho.io/cluster-id":{quoted(access.cluster_id)}')
    if access.refused:
        said.append('"sekisho.io/answered-by":"sekisho"')
    if access.note:
        said.append(f'"sekisho.io/reason":{quoted(access.note)}')
    if notes:
        said += [f"{quoted('sekisho.io/' + key)}:{quoted(value)}" for key, value in notes.items()]
    return ",".join(said)


def _user(resolved: Resolved | None) -> str:
    """Who called, and by which token. Kept for as long as the identity is believed."""
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
    return "{" + ",".join(f'"{key}":{quoted(value)}' for key, value in parts if value) + "}"
