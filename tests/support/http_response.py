"""A response as tests read it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass
class HttpResponse:
    """An HTTP response with any status."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)
