"""Certificates that verify a provider's backend: a file, PEM text, or the system's.

Only the configuration may name a file. The API accepts text only.
"""

import ssl
from pathlib import Path
from typing import ClassVar, Self

from pydantic import field_validator, model_validator

from config.regular_files import read_regular_file
from config.section import Section
from providers.settings.effects import Effect

MAX_PEM_BYTES = 1024 * 1024
"""A bundle of all public authorities takes about 230 KB."""

_NO_PEM = "must hold certificates in PEM form"


class CertificateSettings(Section):
    """The certificate authorities that a provider trusts."""

    EFFECTS: ClassVar = {"ca_file": Effect.DESTINATION, "ca_pem": Effect.DESTINATION}

    ca_file: Path | None = None
    """A file with trusted CA certificates (PEM). Default: the system's."""

    ca_pem: str | None = None
    """The same certificates as text, for the API, which does not accept files."""

    @field_validator("ca_pem")
    @classmethod
    def _is_pem(cls, text: str | None) -> str | None:
        if text is None:
            return None
        if len(text) > MAX_PEM_BYTES:
            raise ValueError(f"must have at most {MAX_PEM_BYTES} characters")
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=text)
        except (ssl.SSLError, ValueError):
            raise ValueError(_NO_PEM) from None
        return text

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if self.ca_file is not None and self.ca_pem is not None:
            raise ValueError("ca_file and ca_pem are both set; set one")
        return self


def tls_context(ca_file: Path | None, ca_pem: str | None) -> ssl.SSLContext:
    """Return a context that trusts those certificates, or by default the system's.

    Reads files: call it outside the event loop.

    Raises:
        OSError: the file cannot be read.
        ValueError: it contains no certificates. The message never quotes the file.
    """
    text = ca_pem
    if ca_file is not None:
        # Comments between certificates may have any encoding.
        content = read_regular_file(ca_file, MAX_PEM_BYTES).decode("latin-1")
        text = content.encode("ascii", "replace").decode("ascii")
    if text is not None and not text.strip():
        raise ValueError(_NO_PEM)  # empty text would mean the system's certificates
    try:
        return ssl.create_default_context(cadata=text)
    except (ssl.SSLError, ValueError):
        raise ValueError(_NO_PEM) from None
