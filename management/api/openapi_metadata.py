"""The metadata of an endpoint: its request body, response and parameters."""

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
    """The metadata of one endpoint.

    ``body`` is the model of the request's body; ``response`` is the model of the response with
    ``status``. ``many``: the response is a list. ``others``: other success statuses. ``query``:
    parameters, as JSON schemas. ``revised``: the endpoint supports If-Match. ``watched``: the kinds
    of changes in the store that concern the response, which ``watch=1`` then streams.
    """

    body: type[BaseModel] | None = None
    response: type[BaseModel] | None = None
    status: int = 200
    others: tuple[int, ...] = ()
    many: bool = False
    revised: bool = False
    watched: frozenset[str] = frozenset()
    query: Mapping[str, Any] = field(default_factory=dict)


_NOTHING = Description()
_ATTRIBUTE = "sekisho_description"


def openapi(**metadata: Any) -> Callable[[_Served], _Served]:
    """Attach metadata to a handler (see :class:`Description`)."""

    def describe(handler: _Served) -> _Served:
        setattr(handler, _ATTRIBUTE, Description(**metadata))
        return handler

    return describe


def description_of(handler: object) -> Description:
    """Return a handler's metadata."""
    found: Description = getattr(handler, _ATTRIBUTE, _NOTHING)
    return found
