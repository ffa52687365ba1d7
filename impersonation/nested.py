"""``kubectl --as``: reading whom a caller wishes to be, and what must be allowed for it.

A wish is only read from well-formed ``Impersonate-User``, ``-Uid``, ``-Group`` and ``-Extra-*``
lines. Anything else of the family is refused, not ignored: someone who sent
``Impersonate_User`` meant something by it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import unquote_to_bytes

from impersonation.identity import Subject
from impersonation.inbound import RawHeaders, looks_like_impersonation

MAX_GROUPS = 256
"""Groups one request may ask for; each costs an access review."""

_EXTRA = b"impersonate-extra-"
_SERVICE_ACCOUNT = re.compile(r"system:serviceaccount:([^:/]+):([^:/]+)")


class BadImpersonation(Exception):
    """The request's ``Impersonate-*`` lines can't be read as one wish. Answered with 400."""


@dataclass(frozen=True, slots=True)
class Permission:
    """One thing a caller must be allowed downstream: an access review's resource attributes."""

    resource: str
    name: str
    group: str = ""
    subresource: str = ""
    namespace: str = ""


def wished_subject(headers: RawHeaders) -> Subject | None:
    """Whom the request asks to act as, or None where it doesn't ask.

    Raises BadImpersonation for a second user or uid, an empty value, groups, uid or extras without
    a user, or any other header of the ``Impersonate`` family.
    """
    user = uid = None
    groups: list[str] = []
    extra: dict[str, list[str]] = {}
    for raw_name, raw_value in headers:
        if not looks_like_impersonation(raw_name):
            continue
        name, value = raw_name.lower(), _text(raw_name, raw_value)
        if name == b"impersonate-user":
            user = _only(name, user, value)
        elif name == b"impersonate-uid":
            uid = _only(name, uid, value)
        elif name == b"impersonate-group":
            groups.append(value)
        elif name.startswith(_EXTRA) and len(name) > len(_EXTRA):
            extra.setdefault(_extra_key(name), []).append(value)
        else:
            raise BadImpersonation(f"the header {_shown(raw_name)} is not an impersonation header")
    return _wish(user, uid, groups, extra)


def permissions_needed(subject: Subject) -> list[Permission]:
    """What the caller must be allowed to ``impersonate``, each asked by itself.

    The same attributes as the API server's own impersonation filter uses (Kubernetes
    authentication reference, "User impersonation"): a service account is asked for as one.
    """
    account = _SERVICE_ACCOUNT.fullmatch(subject.user)
    if account:
        needed = [Permission("serviceaccounts", account[2], namespace=account[1])]
    else:
        needed = [Permission("users", subject.user)]
    needed += [Permission("groups", group) for group in subject.groups]
    if subject.uid is not None:
        needed.append(Permission("uids", subject.uid, group="authentication.k8s.io"))
    needed += [
        Permission("userextras", value, group="authentication.k8s.io", subresource=key)
        for key, values in subject.extra.items()
        for value in values
    ]
    return needed


def on_behalf(subject: Subject, original: Subject) -> Subject:
    """``subject`` with the caller who asked for it kept in extras, for the cluster's audit log.

    What the caller sent under our keys is overwritten: only we say who somebody was.
    """
    extra = dict(subject.extra)
    extra["originaluser"] = (original.user,)
    for key in ("username", "principalid", "requestid"):
        extra.pop(key, None)
        if key in original.extra:
            extra["original" + key if key != "requestid" else key] = original.extra[key]
    return Subject(subject.user, subject.uid, subject.groups, MappingProxyType(extra))


def _wish(
    user: str | None, uid: str | None, groups: list[str], extra: Mapping[str, list[str]]
) -> Subject | None:
    if user is None:
        if uid is not None or groups or extra:
            raise BadImpersonation("Impersonate-Uid, -Group and -Extra need an Impersonate-User")
        return None
    if len(groups) > MAX_GROUPS:
        raise BadImpersonation(f"more than {MAX_GROUPS} Impersonate-Group headers")
    return Subject(
        user,
        uid,
        tuple(groups),
        MappingProxyType({key: tuple(values) for key, values in extra.items()}),
    )


def _text(name: bytes, value: bytes) -> str:
    try:
        text = value.decode("utf-8").strip(" \t")
    except UnicodeDecodeError:
        raise BadImpersonation(f"the value of {_shown(name)} is not UTF-8") from None
    if not text:
        raise BadImpersonation(f"the header {_shown(name)} is empty")
    return text


def _only(name: bytes, seen: str | None, value: str) -> str:
    if seen is not None:
        raise BadImpersonation(f"the header {_shown(name)} is there twice")
    return value


def _extra_key(name: bytes) -> str:
    """The key of an extra: percent-decoded (as the API server does) and lower-case."""
    try:
        return unquote_to_bytes(name[len(_EXTRA) :]).decode("utf-8").lower()
    except UnicodeDecodeError:
        raise BadImpersonation(f"the header name {_shown(name)} is not UTF-8") from None


def _shown(name: bytes) -> str:
    return name.decode("ascii", "backslashreplace")[:80]
