"""Remove secrets from text: known ones in every usual encoding, and what looks like one. Pure."""

import base64
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus, unquote, urlsplit

from pydantic import SecretBytes, SecretStr

from proxy.doctor.leaves import leaves_of

REDACTED = "[redacted]"

SHORTEST = 4
"""Characters of the shortest secret that is searched for: shorter ones are in every text."""

_SHORTEST_ENCODED = 8
"""Characters of the shortest part of a Base64 text: shorter parts are in other words."""

_SHAPES = (
    (re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END|\Z)"), REDACTED),
    (re.compile(r"\beyJ[\w-]{4,2000}\.[\w-]{4,}(?:\.[\w-]+)?"), REDACTED),
    (re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=:-]{6,}"), rf"\1 {REDACTED}"),
    (re.compile(r"\b((?:token|kubeconfig|session)-[a-z0-9]+):[\w-]+"), rf"\1:{REDACTED}"),
    (re.compile(r"(://[^:/@\s]+):[^@/\s]+@"), rf"\1:{REDACTED}@"),
)
"""Private keys, JSON Web Tokens, credentials in headers, Sekisho's tokens, passwords in URLs."""

_NAMES = re.compile(r"(?i)passw|passphrase|secret|credential|private_?key|token$|(?:^|_)keys?$")
"""Names of settings whose text is redacted whatever its type is: plug-ins may forget SecretStr."""


_SEPARATORS = re.compile(r"[\n,]")
_PASSWORD = re.compile(r"(?:^|&)password=([^&]*)")


class Scrubber:
    """Replaces ``secrets`` in text."""

    def __init__(self, secrets: Iterable[str]) -> None:
        known = {one for one in secrets if len(one) >= SHORTEST}
        forms = {form for one in known for form in forms_of(one)}
        self._forms = sorted(forms, key=lambda form: (-len(form), form))

    def clean(self, text: str) -> str:
        """Return ``text`` without secrets."""
        for pattern, replacement in _SHAPES:
            text = pattern.sub(replacement, text)
        for form in self._forms:
            if form in text:
                text = text.replace(form, REDACTED)
        return text


def forms_of(secret: str) -> Iterator[str]:
    """Yield a secret as it is, and as JSON, URLs, hexadecimal numbers, and Base64 contain it."""
    raw = secret.encode("utf-8", "surrogatepass")
    yield secret
    for ascii_only in (True, False):
        yield json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
    yield from (quote(raw), quote(raw, safe=""), quote_plus(raw))
    yield from (raw.hex(), raw.hex().upper())
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        for shift in range(3):
            # Text before the secret shifts its bits; only characters of its own bits are kept.
            encoded = encode(b"\0" * shift + raw).decode()
            first, last = math.ceil(shift * 4 / 3), (shift + len(raw)) * 4 // 3
            if last - first >= _SHORTEST_ENCODED:
                yield encoded[first:last]


def secrets_in(value: Any) -> Iterator[str]:
    """Yield the secrets in settings, at any depth."""
    for leaf in leaves_of(value):
        if isinstance(leaf, SecretStr):
            yield from lines_of(leaf.get_secret_value())
        elif isinstance(leaf, SecretBytes):
            yield leaf.get_secret_value().decode("utf-8", "replace")


def lines_of(secret: str) -> Iterator[str]:
    """Yield a secret and its parts: keys are separated by lines or commas, PEM has lines."""
    yield secret
    parts = [one.strip() for one in _SEPARATORS.split(secret)]
    yield from (one for one in parts if one and not one.startswith("-----"))


def passwords_of_url(url: str) -> Iterator[str]:
    """Yield the passwords in a database's URL, as written and decoded."""
    parts = urlsplit(url)
    found = [parts.password or ""]
    found += _PASSWORD.findall(parts.query)
    for one in found:
        yield from (one, unquote(one))


def without_secrets(value: Any, name: str = "") -> Any:
    """Return plain data without the values of settings whose names are those of secrets."""
    if isinstance(value, Mapping):
        return {key: without_secrets(one, str(key)) for key, one in value.items()}
    if isinstance(value, list):
        return [without_secrets(one, name) for one in value]
    if isinstance(value, str) and value and _NAMES.search(name) and not name.endswith("_file"):
        return REDACTED
    return value
