"""Chains: the steps from a subject to the rule that allows it something. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from management.access.evaluation import Grant
from store.access_records import PolicyRule

StepKind = Literal[
    "person",
    "group",
    "everyone",
    "user",
    "service_account",
    "sekisho_binding",
    "sekisho_role",
    "cluster_role_binding",
    "role_binding",
    "cluster_role",
    "role",
    "rule",
    "superuser",
]

MAX_WORDS = 6
"""Verbs, resources or names of a rule that its text lists."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step. ``place`` is a namespace, a project or a cluster, as text; empty: everywhere."""

    kind: StepKind
    id: str
    name: str
    place: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """The steps of one grant. ``namespace`` empty: it counts in the whole cluster.

    ``source`` is ``sekisho`` for what Sekisho's roles grant, and ``cluster`` for other bindings.
    """

    steps: tuple[Step, ...]
    source: Literal["sekisho", "cluster"] = "cluster"
    namespace: str = ""


SUPERUSER = Step("superuser", "system:masters", "the API server allows everything to this group")


def cluster_steps(grant: Grant) -> Iterator[Step]:
    """Yield the steps inside the cluster: binding, role, and the rule if there is one."""
    if grant.binding is None or grant.role is None:
        yield SUPERUSER
        return
    binding, role = grant.binding, grant.role
    kind: StepKind = "role_binding" if binding.namespace else "cluster_role_binding"
    yield Step(kind, binding.name, binding.name, binding.namespace)
    yield Step("role" if role.namespace else "cluster_role", role.name, role.name, role.namespace)
    if grant.rule is not None:
        yield Step("rule", "", rule_text(grant.rule))


def rule_text(rule: PolicyRule) -> str:
    """Return a rule as one line, such as ``get, list pods, pods/log (apps) named "web"``."""
    verbs = _words(rule.verbs)
    if rule.non_resource_urls:
        return f"{verbs} {_words(rule.non_resource_urls)}"
    groups = _words(tuple(one for one in rule.api_groups if one))
    named = f' named "{_words(rule.resource_names)}"' if rule.resource_names else ""
    return f"{verbs} {_words(rule.resources)}{f' ({groups})' if groups else ''}{named}"


def _words(words: tuple[str, ...]) -> str:
    more = f" and {len(words) - MAX_WORDS} more" if len(words) > MAX_WORDS else ""
    return ", ".join(words[:MAX_WORDS]) + more
