"""A request's target as it may stand in an audit log: without what could be a secret. Pure.

Parameters of the Kubernetes API are known, and their values are shown; the value of any other is
not, and of none at all behind a ``proxy`` subresource, for there somebody's own service says what
a parameter means (GHSA-xfj7-qf8w-2gcr: tokens in an audit log).
"""

from functools import lru_cache

from proxy.routing import is_proxied

REDACTED = "[redacted]"

_HARMLESS = frozenset(
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


def shown_target(target: str, *, commands: bool) -> str:
    """``target`` with the values of unknown parameters redacted.

    ``commands`` shows those of exec, too: auditors want them, and people put passwords there.
    """
    show = _redacted_before if len(target) <= _REMEMBERED_CHARACTERS else _redacted
    return show(target, commands=commands)


def _redacted(target: str, *, commands: bool) -> str:
    path, question, query = target.partition("?")
    if not question:
        return target
    allowed = frozenset() if is_proxied(target) else _HARMLESS
    return f"{path}?{'&'.join(_shown(pair, allowed, commands) for pair in query.split('&'))}"


_REMEMBERED_CHARACTERS = 1024
"""Longer targets are gone through each time: nobody shall fill the memory with them."""

_redacted_before = lru_cache(maxsize=2048)(_redacted)


def _shown(pair: str, allowed: frozenset[str], commands: bool) -> str:
    name, equals, _ = pair.partition("=")
    if name in allowed or (commands and name == "command" and allowed):
        return pair
    # Without a "=" the whole of it may be the secret.
    return f"{name}={REDACTED}" if equals else REDACTED
