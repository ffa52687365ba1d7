"""Redact a request's target for the audit log: it must contain no secret. Pure.

Values of the parameters that the Kubernetes API defines are shown; all other values are redacted.
Behind a ``proxy`` subresource every value is redacted, because another service defines the
parameters there (GHSA-xfj7-qf8w-2gcr: tokens in an audit log).
"""

from functools import lru_cache

from proxy.request.target import is_proxy_subresource

REDACTED = "[redacted]"

_KNOWN = frozenset(
    {
        "allowWatchBookmarks",
        "container",
        "continue",
        "dryRun",
        "fieldManager",
        "fieldSelector",
        "fieldValidation",
        "follow",
        "force",
        "gracePeriodSeconds",
        "includeObject",
        "insecureSkipTLSVerifyBackend",
        "labelSelector",
        "limit",
        "limitBytes",
        "orphanDependents",
        "ports",
        "pretty",
        "previous",
        "propagationPolicy",
        "resourceVersion",
        "resourceVersionMatch",
        "sendInitialEvents",
        "sinceSeconds",
        "sinceTime",
        "stderr",
        "stdin",
        "stdout",
        "tailLines",
        "timeout",
        "timeoutSeconds",
        "timestamps",
        "tty",
        "verbose",
        "watch",
    }
)


def redact_target(target: str, *, commands: bool) -> str:
    """Return ``target`` with the values of unknown parameters redacted.

    ``commands`` shows the commands of exec: auditors need them, but users type passwords there.
    """
    show = _redacted_cached if len(target) <= _MAX_CACHED_CHARACTERS else _redacted
    return show(target, commands=commands)


def _redacted(target: str, *, commands: bool) -> str:
    path, question, query = target.partition("?")
    if not question:
        return target
    allowed = frozenset() if is_proxy_subresource(target) else _KNOWN
    return f"{path}?{'&'.join(_shown(pair, allowed, commands) for pair in query.split('&'))}"


_MAX_CACHED_CHARACTERS = 1024
"""Targets longer than this are not cached, so that clients cannot fill the cache."""

_redacted_cached = lru_cache(maxsize=2048)(_redacted)


def _shown(pair: str, allowed: frozenset[str], commands: bool) -> str:
    name, equals, _ = pair.partition("=")
    if name in allowed or (commands and name == "command" and allowed):
        return pair
    # Without "=", the whole text may be a secret.
    return f"{name}={REDACTED}" if equals else REDACTED
