"""Options that are durations: ``--ttl 8h``."""

from datetime import timedelta
from typing import Any

import click

from config.durations import parse_duration

Ttl = timedelta | None


class _Duration(click.ParamType[timedelta]):
    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Parse a duration. Other text is a usage error."""
        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(value)
        except ValueError as exc:
            self.fail(str(exc), param, ctx)


DURATION = _Duration()
