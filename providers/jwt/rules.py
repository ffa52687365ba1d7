"""Rules on the claims of a token: for what a pipeline gets in, if at all. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import Field

from config.section import Duration, Section
from providers.base import Refused
from providers.claims import MISSING, Scalar, claim, holds

MAX_SHOWN = 80
"""Characters of a claim that the audit log shows."""

Conditions = Annotated[
    dict[
        Annotated[str, Field(min_length=1)],
        Scalar | Annotated[tuple[Scalar, ...], Field(min_length=1)],
    ],
    Field(min_length=1),
]
"""Claim by claim: the value, or the values of which one must be there."""


class ClaimRule(Section):
    """What a token gets whose claims meet every condition in ``match``.

    ``clusters``: for these only (names or ids; none: for all that its user may enter).
    ``projects``: for the namespaces of these only (ids, or ``<cluster>/<project>``).
    """

    name: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")]
    match: Conditions
    clusters: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    read_only: bool = False
    groups: tuple[Annotated[str, Field(min_length=1, max_length=256)], ...] = ()
    lifetime: Duration | None = None


@dataclass(frozen=True, slots=True)
class Unmet:
    """The first condition that a rule fails on."""

    rule: str
    path: str
    found: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.path} is {self.found}"


def first_match(rules: Sequence[ClaimRule], claims: Mapping[str, Any]) -> ClaimRule | Refused:
    """The first rule that ``claims`` meet in full; else on which claim each of them failed."""
    failed = []
    for rule in rules:
        unmet = first_unmet(rule.name, rule.match, claims)
        if unmet is None:
            return rule
        failed.append(str(unmet))
    return Refused("no_rule", "; ".join(failed))


def first_unmet(
    rule: str, conditions: Mapping[str, Any], claims: Mapping[str, Any]
) -> Unmet | None:
    """The first of ``conditions`` that isn't met."""
    for path, wanted in conditions.items():
        if not holds(claims, path, wanted):
            return Unmet(rule, path, shown(claim(claims, path)))
    return None


def shown(value: Any) -> str:
    """A claim for the audit log: short, one line."""
    if value is MISSING:
        return "not there"
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"
