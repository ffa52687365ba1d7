"""Settings of traces. Pure."""

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator, model_validator

from config.section import Networks, Section, refuse_repetition

_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+: ?[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
"""A header line, RFC 9110 §5.5."""

_SERVICE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62})")

Ratio = Annotated[float, Field(ge=0.0, le=1.0)]


class TraceSettings(Section):
    """OpenTelemetry traces. They need the extra ``traces``: ``pip install 'sekisho[traces]'``."""

    endpoint: str = ""
    """The URL of a collector to which traces are sent by OTLP over HTTP, such as
    ``http://127.0.0.1:4318/v1/traces``. Empty: no traces."""

    headers: SecretStr | None = None
    """Header lines of each export, ``name: value``, one in a line: a key that the collector
    requires. Usually given as ``headers_file``."""

    ca_file: Path | None = None
    """PEM: the CA of the collector. Default: the system's CAs."""

    ratio: Ratio = 0.01
    """The part of requests to clusters that is traced, from 0 to 1."""

    management_ratio: Ratio = 0.1
    """The part of requests to the management API, of opened tunnels, and of reconciliations that
    is traced."""

    trusted_networks: Networks = ()
    """Addresses or networks of clients, such as an ingress, whose ``traceparent`` decides whether
    a request is traced. The address of the connection counts, not ``X-Forwarded-For``."""

    service_name: str = "sekisho"
    """``service.name`` of the spans."""

    @field_validator("endpoint")
    @classmethod
    def _url(cls, value: str) -> str:
        if not value:
            return value
        try:
            parts = urlsplit(value)
            usable = bool(parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0)
        except ValueError:
            raise ValueError("is not a URL like http://127.0.0.1:4318/v1/traces") from None
        if not usable or not value.isascii() or not value.isprintable() or " " in value:
            raise ValueError("is not a URL like http://127.0.0.1:4318/v1/traces")
        if parts.username is not None or parts.password is not None:
            raise ValueError("must not contain a password; use traces.headers_file")
        if parts.query or parts.fragment:
            raise ValueError("must have neither a query nor a fragment")
        if parts.path in {"", "/"}:
            raise ValueError("needs a path, usually /v1/traces")
        return value

    @field_validator("headers")
    @classmethod
    def _lines(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not all(map(_HEADER.fullmatch, _lines_of(value))):
            raise ValueError("must be lines of ASCII like: api-key: 0123abcd")
        names = [line.partition(":")[0].lower() for line in _lines_of(value)] if value else []
        refuse_repetition("header names", names)
        return value

    @field_validator("service_name")
    @classmethod
    def _name(cls, value: str) -> str:
        if not _SERVICE.fullmatch(value):
            raise ValueError("must have 1 to 63 letters, digits, dots, dashes or underscores")
        return value

    @model_validator(mode="after")
    def _has_endpoint(self) -> "TraceSettings":
        fields = type(self).model_fields
        given = [
            name for name in self.model_fields_set if getattr(self, name) != fields[name].default
        ]
        if given and not self.endpoint:
            raise ValueError(
                f"{', '.join(sorted(given))} has no effect without endpoint; set endpoint"
            )
        return self

    @property
    def header_lines(self) -> dict[str, str]:
        """The headers of each export, by name."""
        if self.headers is None:
            return {}
        split = (line.partition(":") for line in _lines_of(self.headers))
        return {name: value.strip() for name, _, value in split}


def _lines_of(secret: SecretStr) -> list[str]:
    lines = secret.get_secret_value().splitlines()
    return [line.strip() for line in lines if line.strip()]
