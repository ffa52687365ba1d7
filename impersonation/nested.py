"""``kubectl --as``: the subject that a caller requests, and the permissions that it needs. Pure.

Only well-formed ``Impersonate-User``, ``-Uid``, ``-Group`` and ``-Extra-*`` lines are read. Any
other header of the family is rejected, not ignored: a client that sends ``Impersonate_User`` has a
purpose.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import unquote_to_bytes

from impersonation.header_filter import RawHeaders, looks_like_impersonation
from impersonation.identity import Subject

MAX_VALUES = 256
"""Groups and extra values that one request may have, in total: each costs an access review."""

_EXTRA = b"impersonate-extra-"
_SERVICE_ACCOUNT = re.compile(r"system:serviceaccount:([^:/]+):([^:/]+)")


class InvalidImpersonation(Exception):
    """The request's ``Impersonate-*`` lines are invalid or ambiguous. The response is 400."""


@dataclass(frozen=True, slots=True)
class ImpersonationPermission:
    """A permission that the caller needs: the resource attributes of an access review."""

    resource: str
    name: str
    group: str = ""
    subresource: str = ""
    namespace: str = ""


def requested_subject(headers: RawHeaders) -> Subject | None:
    """Return the subject that the request wants to act as, or None.

    Raises:
        InvalidImpersonation: there is a second user or uid, an empty value, groups, uid or extras
            without a user, or another header of the ``Impersonate`` family.
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
            raise InvalidImpersonation(
                f"the header {_shown(raw_name)} is not an impersonation header"
            )
    return _subject(user, uid, groups, extra)


def permissions_needed(subject: Subject) -> list[ImpersonationPermission]:
    """Return what the caller must be allowed to ``impersonate``, one access review each.

    The attributes are those of the API server's own impersonation filter (Kubernetes authentication
    reference, "User impersonation"). A service account has its own resource type.
    """
    account = _SERVICE_ACCOUNT.fullmatch(subject.user)
    if account:
        needed = [ImpersonationPermission("serviceaccounts", account[2], namespace=account[1])]
    else:
        needed = [ImpersonationPermission("users", subject.user)]
    needed += [ImpersonationPermission("groups", group) for group in subject.groups]
    if subject.uid is not None:
        needed.append(ImpersonationPermission("uids", subject.uid, group="authentication.k8s.io"))
    needed += [
        ImpersonationPermission("userextras", value, group="authentication.k8s.io", subresource=key)
        for key, values in subject.extra.items()
        for value in values
    ]
    return needed


def with_original_user(subject: Subject, original: Subject) -> Subject:
    """Return ``subject`` with the caller in extras, for the cluster's audit log.

    Sekisho's keys replace the caller's values: only Sekisho may name the original user.
    """
    extra = dict(subject.extra)
    extra["originaluser"] = (original.user,)
    for key in ("username", "principalid", "requestid"):
        extra.pop(key, None)
        if key in original.extra:
            extra["original" + key if key != "requestid" else key] = original.extra[key]
    return Subject(subject.user, subject.uid, subject.groups, MappingProxyType(extra))


def _subject(
    user: str | None, uid: str | None, groups: list[str], extra: Mapping[str, list[str]]
) -> Subject | None:
    if user is None:
        if uid is not None or groups or extra:
            raise InvalidImpersonation(
                "Impersonate-Uid, -Group and -Extra need an Impersonate-User"
            )
        return None
    if len(groups) + sum(map(len, extra.values())) > MAX_VALUES:
        raise InvalidImpersonation(
            f"more than {MAX_VALUES} Impersonate-Group and Impersonate-Extra headers in total; "
            "request fewer groups"
        )
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
        raise InvalidImpersonation(f"the value of {_shown(name)} is not UTF-8") from None
    if not text:
        raise InvalidImpersonation(f"the header {_shown(name)} is empty")
    return text


def _only(name: bytes, seen: str | None, value: str) -> str:
    if seen is not None:
        raise InvalidImpersonation(f"the header {_shown(name)} occurs twice")
    return value


def _extra_key(name: bytes) -> str:
    """Return the key of an extra: percent-decoded, as the API server does, and lower-case."""
    try:
        return unquote_to_bytes(name[len(_EXTRA) :]).decode("utf-8").lower()
    except UnicodeDecodeError:
        raise InvalidImpersonation(f"the header name {_shown(name)} is not UTF-8") from None


def _shown(name: bytes) -> str:
    return name.decode("ascii", "backslashreplace")[:80]
