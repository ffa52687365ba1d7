"""Parse the parameters of a search in the audit log. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import get_args

from config.durations import parse_duration
from management.http.problem import ApiProblem
from store.audit_records import AnsweredBy, AuditFilter, AuditOutcome

MAX_LIMIT, DEFAULT_LIMIT = 1000, 100

TEXTS = ("user", "impersonated", "name", "path", "cluster", "namespace", "project", "request_id")
"""Parameters that are compared as they are."""

PARAMETERS = (
    *TEXTS,
    *("token", "verb", "resource", "outcome", "answered_by", "sign_in", "since", "until"),
    *("limit", "continue", "watch"),
)

_OUTCOMES: tuple[AuditOutcome, ...] = get_args(AuditOutcome)
_ANSWERED_BY: tuple[AnsweredBy, ...] = get_args(AnsweredBy)


def audit_filter(given: Mapping[str, Sequence[str]], now: datetime) -> AuditFilter:
    """Return the conditions in the parameters, each with its values.

    Raises:
        ApiProblem: 422 for an unknown, repeated or invalid parameter.
    """
    unknown = sorted(set(given) - set(PARAMETERS))
    if unknown:
        raise ApiProblem(
            422, f"unknown parameter {unknown[0]}; the parameters are {', '.join(PARAMETERS)}"
        )
    for name, values in given.items():
        if len(values) > 1 and name != "verb":
            raise ApiProblem(422, f"{name} is given {len(values)} times: give it once")
    one = {name: values[0] for name, values in given.items()}
    group, resource, subresource = _resource(one.get("resource"))
    outcome, codes = _outcome(one.get("outcome"))
    return AuditFilter(
        user=one.get("user"),
        token=_token(one.get("token")),
        impersonated=one.get("impersonated"),
        verbs=_verbs(given.get("verb", ())),
        api_group=group,
        resource=resource,
        subresource=subresource,
        name=one.get("name"),
        path=one.get("path"),
        cluster=one.get("cluster"),
        namespace=one.get("namespace"),
        project_id=one.get("project"),
        codes=codes,
        outcome=outcome,
        answered_by=_answered_by(one.get("answered_by")),
        sign_in=_flag("sign_in", one.get("sign_in")),
        request_id=one.get("request_id"),
        since=_time("since", one.get("since"), now),
        until=_time("until", one.get("until"), now),
    )


def audit_limit(text: str | None) -> int:
    """Return the number of events in a page. Raises ApiProblem with 422."""
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= MAX_LIMIT):
        raise ApiProblem(422, f"limit must be a number from 1 to {MAX_LIMIT}")
    return int(text)


def _token(text: str | None) -> str | None:
    """Return the name of a token. Raises ApiProblem if the text has a secret behind it."""
    if text is not None and ":" in text:
        raise ApiProblem(422, "token: give its name, the part before the colon, and no secret")
    return text


def _verbs(values: Sequence[str]) -> tuple[str, ...]:
    verbs = tuple(verb for value in values for verb in value.split(",") if verb)
    if len(verbs) > 32:
        raise ApiProblem(422, "verb: give at most 32 verbs")
    return verbs


def _resource(text: str | None) -> tuple[str | None, str | None, str | None]:
    """Return group, resource and subresource of ``resource[.group][/subresource]``."""
    if text is None:
        return None, None, None
    kind, slash, subresource = text.partition("/")
    resource, dot, group = kind.partition(".")
    return (group if dot else None, resource or None, subresource if slash else None)


def _outcome(text: str | None) -> tuple[AuditOutcome | None, tuple[int, int] | None]:
    """Return the class, or the range of codes, in ``refused``, ``403`` or ``4xx``."""
    if text is None:
        return None, None
    for known in _OUTCOMES:
        if text == known:
            return known, None
    if len(text) == 3 and text[0] in "12345":
        if text[1:] == "xx":
            return None, (int(text[0]) * 100, int(text[0]) * 100 + 99)
        if text.isascii() and text.isdigit():
            return None, (int(text), int(text))
    raise ApiProblem(
        422, f"outcome must be one of {', '.join(_OUTCOMES)}, a status code, or like 4xx"
    )


def _answered_by(text: str | None) -> AnsweredBy | None:
    for known in _ANSWERED_BY:
        if text == known:
            return known
    if text is not None:
        raise ApiProblem(422, f"answered_by must be one of {', '.join(_ANSWERED_BY)}")
    return None


def _flag(name: str, text: str | None) -> bool | None:
    if text is not None and text not in {"true", "false"}:
        raise ApiProblem(422, f"{name} must be true or false")
    return None if text is None else text == "true"


def _time(name: str, text: str | None, now: datetime) -> datetime | None:
    """Return a time: RFC 3339 with a zone, or a duration before now."""
    if text is None:
        return None
    problem = ApiProblem(
        422, f"{name} must be a time like 2026-11-30T08:00:00Z, or a duration before now like 2h"
    )
    try:
        if text[-1:] in {"s", "m", "h", "d"}:
            return now - parse_duration(text)
        when = datetime.fromisoformat(text)
        if when.tzinfo is None:
            raise problem
        return when.astimezone(now.tzinfo)
    except (ValueError, OverflowError):
        raise problem from None
