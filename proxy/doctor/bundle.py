"""Write the support bundle: what describes an installation, without its secrets.

Every text is made by this module and passes the scrubber; no file is copied into it.
"""

import gzip
import io
import json
import os
import platform
import sys
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from config.errors import UserError
from proxy.doctor.examination import Examination
from proxy.doctor.redaction import (
    Scrubber,
    lines_of,
    passwords_of_url,
    secrets_in,
    without_secrets,
)
from proxy.files.data_dir import KEY_FILE
from proxy.files.unfinished import unfinished_file
from proxy.startup.configuration import LoadedConfig
from store.schema import HEAD

LOG_LINES, LINE_CHARACTERS = 2000, 8192
"""The last lines of a log that are included, and the length at which a line is cut."""

MAX_LOG_BYTES = 16 << 20
"""How much of a log is read, from its end."""

FOLDER = "sekisho-support"


def write_bundle(file: Path, made: Examination, logs: Sequence[Path]) -> list[str]:
    """Write a tar archive, compressed by gzip, with mode 0600. Return the names in it.

    Raises:
        UserError: the file exists, or there are logs and the secrets to remove are unknown.
        OSError: a log cannot be read, or the file cannot be written.
    """
    if logs and made.loaded is None:
        raise UserError(
            "the configuration is invalid, so the secrets to remove from logs are unknown: correct "
            "it, or leave out --log"
        )
    scrubber = Scrubber(secrets_of(made))
    contents = {name: scrubber.clean(text) for name, text in _contents(made)}
    for number, log in enumerate(logs):
        contents[f"log-{number}.txt"] = _cut(scrubber.clean(_end_of(log)))
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, text in contents.items():
            data = text.encode("utf-8", "replace")
            entry = tarfile.TarInfo(f"{FOLDER}/{name}")
            entry.size, entry.mode = len(data), 0o600
            entry.mtime = int(datetime.now(UTC).timestamp())
            archive.addfile(entry, io.BytesIO(data))
    try:
        with unfinished_file(file) as output:
            output.write(gzip.compress(packed.getvalue()))
    except FileExistsError:
        raise UserError(f"{file} exists: name another file") from None
    return list(contents)


def secrets_of(made: Examination) -> Iterator[str]:
    """Yield every secret that the server has and that a text could contain."""
    for spec in made.specs:
        yield from secrets_in(spec.settings)
    for cluster in made.clusters:
        for token in (cluster.impersonator_token, cluster.controller_token):
            yield from (token or "", (token or "").rpartition(".")[2])
    for management in made.managements:
        yield from (management.token, management.token.rpartition(".")[2])
    if made.loaded is not None:
        yield from _secrets_of_configuration(made.loaded)


def _secrets_of_configuration(loaded: LoadedConfig) -> Iterator[str]:
    settings = loaded.settings
    yield from secrets_in(settings)
    yield from passwords_of_url(settings.store_url)
    for provider in loaded.providers:
        yield from secrets_in(provider.settings)
    files = [settings.data_dir / KEY_FILE, *sorted((settings.data_dir / "tls").glob("*.key"))]
    files += [one for one in (settings.server.tls.key_file, settings.metrics.tls.key_file) if one]
    for file in files:
        try:
            yield from lines_of(file.read_text())
        except (OSError, UnicodeDecodeError):
            continue  # What cannot be read is in no text.


def _contents(made: Examination) -> Iterator[tuple[str, str]]:
    yield "versions.json", _json(_versions())
    yield "doctor.json", _json([asdict(one) for one in made.findings])
    if made.loaded is not None:
        yield "configuration.json", _json(_configuration(made.loaded))
        yield (
            "providers.json",
            _json(
                [
                    {
                        "name": one.name,
                        "type": one.type_name,
                        "origin": one.origin,
                        "enabled": one.enabled,
                        "settings": without_secrets(one.settings.model_dump(mode="json")),
                    }
                    for one in made.specs
                ]
            ),
        )
    yield "clusters.json", _json(_clusters(made))
    if made.metrics:
        yield "metrics.txt", made.metrics


def _end_of(log: Path) -> str:
    """Return whole lines from the end of a log of any size. Raises UserError and OSError."""
    if not log.is_file():
        raise UserError(f"{log} is no regular file: write the log to one first")
    with log.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        before = stream.seek(max(0, size - MAX_LOG_BYTES))
        text = stream.read(MAX_LOG_BYTES).decode("utf-8", "replace")
    # The rest of a line could be the rest of a secret, which is not found.
    return text.partition("\n")[2] if before else text


def _cut(text: str) -> str:
    """Return the last lines, and the beginning of long ones, of a text without secrets."""
    lines = text.splitlines()[-LOG_LINES:]
    return "".join(f"{line[:LINE_CHARACTERS]}\n" for line in lines)


def _versions() -> dict[str, Any]:
    found = {one.metadata["Name"]: one.version for one in distributions()}
    return {
        "sekisho": found.get("sekisho", ""),
        "schema": HEAD,
        "python": sys.version,
        "platform": platform.platform(),
        "packages": dict(sorted(found.items())),
    }


def _configuration(loaded: LoadedConfig) -> Any:
    """Return the settings. Those of providers are elsewhere: here, they are not validated."""
    return without_secrets(loaded.settings.model_dump(mode="json", exclude={"providers"}))


def _clusters(made: Examination) -> list[dict[str, Any]]:
    return [
        {
            "name": one.name,
            "reach": one.reach,
            "servers": list(one.servers),
            "impersonator": one.impersonator,
            "credential_source": one.credential_source,
            "tokens_expire_at": one.tokens_expire_at,
            "status": made.statuses[one.id].data if one.id in made.statuses else None,
        }
        for one in made.clusters
    ]


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n"
