"""Problems of a configuration, each with its place and its remedy. Pure."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from config.errors import InvalidInput, Problem
from config.text_patterns import message_of

Path = tuple[str | int, ...]


class ConfigError(InvalidInput):
    """The configuration is invalid."""


@dataclass(slots=True)
class Origins:
    """The origin of each value: a place for each path, or for its nearest parent."""

    file: str
    places: dict[Path, str]

    def place(self, path: Path) -> str:
        """Return the place of the value at ``path``."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return self.file


def dotted(path: Iterable[str | int]) -> str:
    """Return ``("providers", 0, "name")`` as ``providers[0].name``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def problems_of(
    error: ValidationError, model: type[BaseModel], origins: Origins, at: Path = ()
) -> list[Problem]:
    """Return a model's validation errors as problems. ``at`` is the path of the model's values."""
    problems = []
    for detail in error.errors(include_url=False, include_input=False):
        path = (*at, *(part for part in detail["loc"] if part != "function-before"))
        message = _MESSAGES.get(detail["type"]) or message_of(detail)
        if detail["type"] == "extra_forbidden":
            message = f"is not a setting{_suggestion(detail['loc'], model)}"
        problems.append(Problem(origins.place(path), dotted(path), message))
    return problems


_MESSAGES = {
    "missing": "is missing; give it a value",
    "model_type": "must hold settings (key: value)",
    "model_attributes_type": "must hold settings (key: value)",
    "tuple_type": "must be a list (- …)",
    "bool_parsing": "must be true or false",
    "int_parsing": "must be a whole number",
    "float_parsing": "must be a number",
    "string_type": "must be text; put it in quotes",
}


def _suggestion(loc: Sequence[str | int], model: type[BaseModel]) -> str:
    """Return a suggestion from the fields beside the misspelt one, as the end of a sentence."""
    fields = _fields_at(model, loc[:-1])
    near = difflib.get_close_matches(str(loc[-1]), fields, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; known here: {', '.join(sorted(fields))}" if fields else "; remove it"


def _fields_at(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    for part in path:
        field = model.model_fields.get(str(part))
        inner = field.annotation if field is not None else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)
