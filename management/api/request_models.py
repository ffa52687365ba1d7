"""Fields that many bodies share, and what may be in them."""

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from management.quantities import parse_quantity

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_DNS_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"


def _one_line(value: str) -> str:
    # Shown in terminals and pages, and databases can't hold every character.
    if _CONTROL.search(value):
        raise ValueError("must be one line, without control characters")
    return value


def _quantity(value: str) -> str:
    if parse_quantity(value) < 0:
        raise ValueError("must not be less than nothing")
    return value


class Body(BaseModel):
    """What a request says. What it doesn't know it refuses."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


Line = Annotated[str, Field(max_length=256), AfterValidator(_one_line)]
"""A line of text for people."""

Name = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(_one_line)]
"""What people call something."""

DnsLabel = Annotated[str, Field(pattern=_DNS_LABEL)]
"""A name that Kubernetes takes for a namespace (RFC 1123)."""

Quantity = Annotated[str, Field(max_length=64), AfterValidator(_quantity)]
"""A Kubernetes quantity, like 500m or 4Gi."""

ResourceName = Annotated[str, Field(max_length=253, pattern=r"^[A-Za-z0-9./_-]+$")]
"""What a quota counts, like limits.cpu or pods."""
