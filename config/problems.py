"""What is wrong with a configuration: every problem, each with its place and the way out. Pure."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Problem:
    """``place`` is a file with a line, an environment variable, or a file; ``key`` is dotted."""

    place: str
    key: str
    message: str

    def __str__(self) -> str:
        return ": ".join(part for part in (self.place, self.key, self.message) if part)


class ConfigError(Exception):
    """A configuration that can't be used, with all its problems."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


@dataclass(slots=True)
class Origins:
    """Where each value came from: a place for each path, or its nearest parent's."""

    file: str
    places: dict[Path, str]

    def place(self, path: Path) -> str:
        """The place of what is at ``path``."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return self.file


def dotted(path: Iterable[str | int]) -> str:
    """``("providers", 0, "name")`` as ``providers[0].name``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def problems_of(
    error: ValidationError, model: type[BaseModel], origins: Origins, at: Path = ()
) -> list[Problem]:
    """A model's validation errors as problems; ``at`` is where the model's values stand."""
    problems = []
    for detail in error.errors(include_url=False, include_input=False):
        path = (*at, *(part for part in detail["loc"] if part != "function-before"))
        message = _MESSAGES.get(detail["type"]) or _sentence(detail["msg"])
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


def _sentence(message: str) -> str:
    return message.removeprefix("Value error, ")


def _suggestion(loc: Sequence[str | int], model: type[BaseModel]) -> str:
    """What the operator may have meant, among the fields beside the misspelt one."""
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
