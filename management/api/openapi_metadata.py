"""What an endpoint says of itself beside its words: what it takes, and what it answers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel

_Served = TypeVar("_Served", bound=Callable[..., object])

TEXT: Mapping[str, Any] = {"type": "string"}
NUMBER: Mapping[str, Any] = {"type": "integer"}
FLAG: Mapping[str, Any] = {"type": "string", "enum": ["true", "false"]}


@dataclass(frozen=True, slots=True)
class Description:
    """``body`` is the model of what a request says; ``answer`` that of what comes with ``status``.

    ``many``: of each of many. ``others``: other statuses of success. ``query``: parameters, as JSON
    schemas. ``revised``: it takes If-Match.
    """

    body: type[BaseModel] | None = None
    answer: type[BaseModel] | None = None
    status: int = 200
    others: tuple[int, ...] = ()
    many: bool = False
    revised: bool = False
    query: Mapping[str, Any] = field(default_factory=dict)


_NOTHING = Description()
_OF = "sekisho_description"


def described(**said: Any) -> Callable[[_Served], _Served]:
    """Describe a handler (see :class:`Description`)."""

    def describe(handler: _Served) -> _Served:
        setattr(handler, _OF, Description(**said))
        return handler

    return describe


def description_of(handler: object) -> Description:
    """What a handler says of itself."""
    found: Description = getattr(handler, _OF, _NOTHING)
    return found
