"""Field types that several request bodies share."""

from datetime import timedelta
from typing import Annotated

from aiohttp import web
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from config.durations import parse_duration
from config.labels import KEY_PATTERN, MOST_LABELS, VALUE_PATTERN
from config.text_patterns import described, ends_alike
from impersonation.display_names import one_line, trimmed
from management.http.problem import ApiProblem
from management.kubernetes.quantity import parse_quantity

_DNS_LABEL = described(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", ends_alike(63, "and -"))
_RESOURCE = described(r"^[A-Za-z0-9./_-]+$", "letters, digits, ., /, _, and -")


def _quantity(value: str) -> str:
    if parse_quantity(value) < 0:
        raise ValueError("must not be negative")
    return value


def _duration(value: object) -> object:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("must be text such as 30m, 8h or 90d")
    return parse_duration(value)


class RequestModel(BaseModel):
    """A request body. Unknown fields are rejected."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


Ttl = Annotated[timedelta | None, BeforeValidator(_duration)]
"""A lifetime, such as 30m, 8h or 90d; null: the default."""

Line = Annotated[str, Field(max_length=256), AfterValidator(one_line)]
"""One line of text."""

Name = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(trimmed)]
"""A display name."""

Reference = Annotated[str, Field(max_length=512), AfterValidator(one_line)]
"""A reference to something by its id or name."""

DnsLabel = Annotated[str, Field(pattern=_DNS_LABEL)]
"""A name that Kubernetes accepts for a namespace (RFC 1123 label)."""

Quantity = Annotated[str, Field(max_length=64), AfterValidator(_quantity)]
"""A Kubernetes quantity, such as 500m or 4Gi."""

ResourceName = Annotated[str, Field(max_length=253, pattern=_RESOURCE)]
"""A resource that a quota limits, such as limits.cpu or pods."""

LabelKey = Annotated[str, Field(max_length=317, pattern=KEY_PATTERN)]
"""The key of a label, as Kubernetes accepts it."""

LabelValue = Annotated[str, Field(max_length=63, pattern=VALUE_PATTERN)]
"""The value of a label, as Kubernetes accepts it."""

Labels = Annotated[dict[LabelKey, LabelValue], Field(max_length=MOST_LABELS)]
"""Labels of an object."""


def query_flag(request: web.Request, name: str) -> bool:
    """Return a query parameter that is true or false; false if it is missing.

    Raises:
        ApiProblem: 400 for any other value.

    """
    value = request.query.get(name, "false")
    if value not in ("true", "false"):
        raise ApiProblem(400, f"{name} must be true or false")
    return value == "true"
