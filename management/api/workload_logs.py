"""The query of a log."""

from dataclasses import dataclass

from aiohttp import web

from management.http.problem import ApiProblem
from management.workloads.kinds import is_object_name

MAX_LINES = 100_000
MAX_SECONDS = 366 * 24 * 3600

_KNOWN = ("container", "follow", "pod", "previous", "since", "tail", "timestamps")


@dataclass(frozen=True, slots=True)
class LogQuery:
    """What part of which log is wanted. ``since`` is in seconds, ``tail`` in lines."""

    pod: str | None
    container: str | None
    follow: bool
    previous: bool
    timestamps: bool
    tail: int | None
    since: int | None

    def parameters(self, container: str) -> dict[str, str]:
        """Return the query of the Kubernetes API."""
        flags = {
            "follow": self.follow,
            "previous": self.previous,
            "timestamps": self.timestamps,
        }
        found = {"container": container, **{name: "true" for name, on in flags.items() if on}}
        if self.tail is not None:
            found["tailLines"] = str(self.tail)
        if self.since is not None:
            found["sinceSeconds"] = str(self.since)
        return found


def log_query(request: web.Request) -> LogQuery:
    """Return the query of a request. Raises ApiProblem with 422."""
    unknown = sorted(set(request.query) - set(_KNOWN))
    if unknown:
        raise ApiProblem(
            422, f"unknown parameter {unknown[0]}; the parameters are {', '.join(_KNOWN)}"
        )
    return LogQuery(
        _name(request, "pod"),
        _name(request, "container"),
        _flag(request, "follow"),
        _flag(request, "previous"),
        _flag(request, "timestamps"),
        _number(request, "tail", 0, MAX_LINES),
        _number(request, "since", 1, MAX_SECONDS),
    )


def _name(request: web.Request, parameter: str) -> str | None:
    value = request.query.get(parameter)
    if value is not None and not is_object_name(value):
        raise ApiProblem(422, f"{parameter} is not the name of a {parameter}")
    return value


def _flag(request: web.Request, parameter: str) -> bool:
    value = request.query.get(parameter, "false")
    if value not in {"true", "false"}:
        raise ApiProblem(422, f"{parameter} must be true or false")
    return value == "true"


def _number(request: web.Request, parameter: str, least: int, most: int) -> int | None:
    value = request.query.get(parameter)
    if value is None:
        return None
    digits = value.isascii() and value.isdigit() and len(value) < 10
    if not digits or not least <= int(value) <= most:
        raise ApiProblem(422, f"{parameter} must be a number from {least} to {most}")
    return int(value)
