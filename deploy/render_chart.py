"""Write what is made from the chart: the table of its values, and the plain manifests.

    python deploy/render_chart.py [--helm helm]

``make chart`` builds Helm first, and runs this. A test checks that the files are current.
"""

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

DEPLOY = Path(__file__).resolve().parent
CHART = DEPLOY / "chart"
MANIFESTS = DEPLOY / "manifests"
README = CHART / "README.md"
NAMESPACE = "sekisho"
KUBERNETES = "1.36.0"
"""The version for which manifests are rendered. Templates do not depend on it."""

_COMMENT = re.compile(r"\s*# -- (.+)")
_VALUE = re.compile(r"( *)([A-Za-z]+):")

_INTRODUCTION = """\
# Sekisho's Helm chart

How to install it is in [docs/install-kubernetes.md](../../docs/install-kubernetes.md). `make chart`
writes this page from `values.yaml`; don't edit it.

| Value | Default | Meaning |
|---|---|---|
"""


def documented(text: str) -> Iterator[tuple[str, str]]:
    """Yield the dotted path of each value that has a comment, and the comment."""
    path: list[tuple[int, str]] = []
    comment: str | None = None
    for line in text.splitlines():
        if found := _COMMENT.fullmatch(line):
            comment = found[1]
        elif value := _VALUE.match(line):
            path = [(indent, name) for indent, name in path if indent < len(value[1])]
            path.append((len(value[1]), value[2]))
            if comment is not None:
                yield ".".join(name for _, name in path), comment
            comment = None


def default_of(values: Mapping[str, object], path: str) -> object:
    """Return the value at a dotted path."""
    found: object = values
    for name in path.split("."):
        assert isinstance(found, Mapping)
        found = found[name]
    return found


def readme() -> str:
    """Return the page with the table of values."""
    text = (CHART / "values.yaml").read_text()
    values = yaml.safe_load(text)
    rows = []
    for path, comment in documented(text):
        shown = yaml.safe_dump(default_of(values, path), default_flow_style=True, width=1000)
        default = shown.removesuffix("...\n").strip()
        meaning = comment.replace("|", "\\|")
        rows.append(f"| `{path}` | `{default}` | {meaning} |\n")
    return _INTRODUCTION + "".join(rows)


def rendered(helm: Path | str, values: Path) -> str:
    """Return the manifests for a file of values."""
    command = [str(helm), "template", "sekisho", str(CHART), "--namespace", NAMESPACE]
    command += ["--values", str(values), "--kube-version", KUBERNETES]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    head = f"# `make chart` writes this file from the chart and {values.name}; don't edit it.\n"
    return head + re.sub(r"^# Source: .*\n", "", text, flags=re.MULTILINE)


def made(helm: Path | str) -> dict[Path, str]:
    """Return the content of each file that this script writes."""
    found = {README: readme()}
    for values in sorted(MANIFESTS.glob("*.values.yaml")):
        name = values.name.removesuffix(".values.yaml")
        found[MANIFESTS / f"{name}.yaml"] = rendered(helm, values)
    return found


def main() -> int:
    """Write the files; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--helm", default="helm", help="the program; default: of PATH")
    try:
        files = made(parser.parse_args().helm)
    except FileNotFoundError as error:
        print(f"{error.filename} does not exist; run `make chart`", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(error.stderr, file=sys.stderr)
        return 1
    for file, text in files.items():
        file.write_text(text)
        print(file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
