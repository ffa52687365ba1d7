"""Rules on claims, which decide whether a token is accepted and with which limits. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from config.section import Duration, Section
from config.text_patterns import WORD
from providers.base import Rejected
from providers.jwt.claims import MISSING, Scalar, claim, matches_condition

MAX_SHOWN = 80
"""Characters of a claim that the audit log shows."""

Conditions = Annotated[
    dict[
        Annotated[str, Field(min_length=1)],
        Scalar | Annotated[tuple[Scalar, ...], Field(min_length=1)],
    ],
    Field(min_length=1),
]
"""For each claim: the required value, or several values of which one is required."""


class ClaimRule(Section):
    """The limits of a token whose claims meet every condition in ``match``.

    ``clusters``: names or ids (empty: all that its user may access). ``projects``: ids, or
    ``<cluster>/<project>`` (empty: no limit). ``proxy_read`` extends ``read_only`` to responses of
    services and pods.
    """

    name: Annotated[str, Field(min_length=1, max_length=64, pattern=WORD)]
    match: Conditions
    clusters: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    read_only: bool = False
    proxy_read: bool = False
    groups: tuple[Annotated[str, Field(min_length=1, max_length=256)], ...] = ()
    lifetime: Duration | None = None


@dataclass(frozen=True, slots=True)
class Unmet:
    """The first condition of a rule that is not met."""

    rule: str
    path: str
    found: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.path} is {self.found}"


def first_match(rules: Sequence[ClaimRule], claims: Mapping[str, Any]) -> ClaimRule | Rejected:
    """Return the first rule that ``claims`` meet, or a rejection with each rule's unmet claim."""
    failed = []
    for rule in rules:
        unmet = first_unmet(rule.name, rule.match, claims)
        if unmet is None:
            return rule
        failed.append(str(unmet))
    return Rejected("no_rule", "; ".join(failed))


def first_unmet(
    rule: str, conditions: Mapping[str, Any], claims: Mapping[str, Any]
) -> Unmet | None:
    """Return the first of ``conditions`` that is not met, or None."""
    for path, wanted in conditions.items():
        if not matches_condition(claims, path, wanted):
            return Unmet(rule, path, shown(claim(claims, path)))
    return None


def shown(value: Any) -> str:
    """Return a claim for the audit log, as one short line."""
    if value is MISSING:
        return "missing"
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
