"""Build the container image, and write what it contains and where it comes from beside it.

    python deploy/image/build.py [--registry registry.example.com] [--platform linux/arm64]
                                 [--base IMAGE] [--tool docker|podman|buildah] [--output dist]

Uses docker if its daemon runs, else podman, else buildah; the latter two need no daemon and no
root. Writes ``sekisho-image.cdx.json`` (CycloneDX) and ``sekisho-image.provenance.json`` (an
in-toto statement with SLSA's predicate) into the output folder. See docs/decisions/0055-image.md.
"""

import argparse
import subprocess
import sys
import tomllib
from datetime import UTC, datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from deploy.image.documents import bill_of_materials, provenance
from deploy.image.tools import BuildError, Tool, find_tool

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"


def image_name(registry: str, version: str) -> str:
    """Return the name of the image: in a registry, or for this machine only."""
    return f"{registry.rstrip('/')}/sekisho:{version}" if registry else f"sekisho:{version}"


def project_version() -> str:
    """Return the version in pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return str(project["version"])


def commit() -> tuple[str, str]:
    """Return the checkout's commit, with ``-dirty`` if files differ, and its time in seconds."""
    found = _git("rev-parse", "HEAD")
    epoch = _git("log", "-1", "--format=%ct")
    return found + ("-dirty" if _git("status", "--porcelain") else ""), epoch


def _git(*words: str) -> str:
    command = ["git", *words]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as exc:
        raise BuildError(f"git {words[0]} failed; build in a checkout: {exc}") from None
    return done.stdout.strip()


def build(tool: Tool, arguments: argparse.Namespace) -> str:
    """Build the image and write the documents; return the image's name."""
    version = project_version()
    source, epoch = commit()
    name = image_name(arguments.registry, version)
    values = {
        "COMMIT": source,
        "SOURCE_DATE_EPOCH": epoch,
        "VERSION": version,
        # Only a name with a registry is one that clusters can pull.
        "IMAGE": name if arguments.registry else "",
    }
    if arguments.base:
        values["PYTHON"] = arguments.base
    started = datetime.now(UTC)
    tool.build(DOCKERFILE, ROOT, name, values, arguments.platform)
    finished = datetime.now(UTC)
    output: Path = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    python_packages = tool.read(name, "/opt/sekisho/share/sekisho/python.cdx.json")
    debian_packages = tool.read(name, "/var/lib/dpkg/status")
    made = {
        "sekisho-image.cdx.json": bill_of_materials(python_packages, debian_packages, name),
        "sekisho-image.provenance.json": provenance(
            name=name,
            digest=tool.digest(name),
            builder=tool.name,
            commit=source,
            arguments=values,
            dockerfile=DOCKERFILE.read_text(),
            requirements=sorted((ROOT / "requirements").glob("*.txt")),
            started=started,
            finished=finished,
        ),
    }
    for file, text in made.items():
        (output / file).write_text(text)
        print(output / file)
    return name


def main() -> int:
    """Build; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--registry", default="", help="the registry that the image is for")
    parser.add_argument("--platform", default="", help="another platform than this machine's")
    parser.add_argument("--base", default="", help="another base than the Dockerfile's")
    parser.add_argument("--tool", default="", help="docker, podman or buildah; default: what runs")
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="folder for documents")
    arguments = parser.parse_args()
    try:
        print(build(find_tool(arguments.tool), arguments))
    except BuildError as exc:
        print(f"build.py: {exc}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
