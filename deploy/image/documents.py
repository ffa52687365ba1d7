"""What an image contains (CycloneDX), and where it comes from (SLSA). Pure, except for hashes."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

BUILD_TYPE = "urn:sekisho:container-image:v1"
_BASE = re.compile(r"^ARG PYTHON=(\S+?)@sha256:([0-9a-f]{64})$", re.MULTILINE)


def bill_of_materials(python_packages: str, dpkg_status: str, image: str) -> str:
    """Return the CycloneDX document of Python packages, with the image's Debian packages too."""
    document = json.loads(python_packages)
    document["components"] = [*document.get("components", []), *debian_components(dpkg_status)]
    name, _, version = image.rpartition(":")
    container = {"type": "container", "bom-ref": image, "name": name, "version": version}
    document.setdefault("metadata", {})["component"] = container
    return json.dumps(document, indent=1, sort_keys=True) + "\n"


def debian_components(dpkg_status: str) -> Iterator[dict[str, Any]]:
    """Yield a component for each installed package of dpkg's database."""
    for paragraph in dpkg_status.split("\n\n"):
        fields = dict(re.findall(r"^([A-Za-z-]+): (.*)$", paragraph, re.MULTILINE))
        if not fields.get("Status", "").endswith(" installed"):
            continue
        name, version = fields["Package"], fields["Version"]
        url = f"pkg:deb/debian/{name}@{quote(version, safe='')}?arch={fields['Architecture']}"
        yield {
            "type": "library",
            "bom-ref": url,
            "name": name,
            "version": version,
            "purl": url,
        }


def provenance(
    *,
    name: str,
    digest: str,
    builder: str,
    commit: str,
    arguments: Mapping[str, str],
    dockerfile: str,
    requirements: Sequence[Path],
    started: datetime,
    finished: datetime,
) -> str:
    """Return an in-toto statement (v1) with the predicate SLSA Provenance (v1)."""
    sources: list[dict[str, Any]] = [
        {"uri": "git+sekisho", "digest": {"gitCommit": commit.removesuffix("-dirty")}}
    ]
    base = _BASE.search(dockerfile)
    if "PYTHON" in arguments:
        sources.append({"uri": f"docker-image://{arguments['PYTHON']}"})
    elif base is not None:
        sources.append({"uri": f"docker-image://{base[1]}", "digest": {"sha256": base[2]}})
    for file in requirements:
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        sources.append({"uri": f"requirements/{file.name}", "digest": {"sha256": content}})
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "dockerfile": "deploy/Dockerfile",
                    "arguments": dict(arguments),
                    "commit": commit,
                },
                "resolvedDependencies": sources,
            },
            "runDetails": {
                "builder": {"id": f"urn:sekisho:local-build:{builder}"},
                "metadata": {
                    "startedOn": started.isoformat(timespec="seconds"),
                    "finishedOn": finished.isoformat(timespec="seconds"),
                },
            },
        },
    }
    return json.dumps(statement, indent=1) + "\n"
