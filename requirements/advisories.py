"""Check the pinned requirements for published advisories.

    python requirements/advisories.py [--required] [--source URL] [--ignore GHSA-…]

The source is OSV (https://osv.dev), with advisories of PyPA and GitHub. ``HTTPS_PROXY`` applies.

Exit status:
    0: no advisory, or the source could not be reached, which is printed.
    1: at least one advisory.
    2: the check failed, or with ``--required`` the source could not be reached.
"""

import argparse
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent
SOURCE = "https://api.osv.dev/v1/query"
KNOWN = {"package": {"name": "jinja2", "ecosystem": "PyPI"}, "version": "2.4.1"}
"""A release with known advisories. A source that returns none for it is not usable."""

_REACH_SECONDS = 15.0
_REQUEST_SECONDS = 15
_MAX_SECONDS = 600.0
_MAX_BYTES = 4 * 1024 * 1024


class UnreachableError(Exception):
    """The source of advisories can't be queried. The message is for the terminal."""


class CheckError(Exception):
    """The check failed. The message is for the terminal."""


def reach(source: str) -> None:
    """Query the source about a release with known advisories.

    Raises:
        CheckError: ``source`` is not a URL.
        UnreachableError: the source doesn't respond, or doesn't know these advisories.
    """
    if not source.startswith(("https://", "http://")):
        raise CheckError(f"{source} is not an https:// or http:// URL")
    body = json.dumps(KNOWN).encode()
    request = urllib.request.Request(source, body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=_REACH_SECONDS) as response:
            known = json.loads(response.read(_MAX_BYTES))
    except urllib.error.HTTPError as error:
        raise UnreachableError(f"it returns status {error.code}") from None
    except urllib.error.URLError as error:
        raise UnreachableError(str(error.reason)) from None
    except (OSError, ValueError) as error:
        raise UnreachableError(str(error) or type(error).__name__) from None
    if not isinstance(known, dict) or not known.get("vulns"):
        raise UnreachableError("it returns no advisory about jinja2 2.4.1, so it is no OSV source")


def findings(source: str, files: list[Path], ignored: list[str]) -> list[str]:
    """Return a line for each advisory about a release that ``files`` pin.

    Raises:
        CheckError: pip-audit failed although the source responds.
        UnreachableError: the source doesn't respond in time.
    """
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--strict"]
    command += ["--vulnerability-service", "osv", "--osv-url", source, "--format", "json"]
    command += ["--progress-spinner", "off", "--timeout", str(_REQUEST_SECONDS)]
    command += [part for file in files for part in ("--requirement", str(file))]
    command += [part for one in ignored for part in ("--ignore-vuln", one)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_MAX_SECONDS)
    except subprocess.TimeoutExpired:
        raise UnreachableError(f"it took longer than {_MAX_SECONDS:.0f} s") from None
    try:
        return lines(json.loads(ended.stdout))
    except (ValueError, KeyError, TypeError):
        reach(source)
        raise CheckError(ended.stderr.strip()[-2000:] or "pip-audit printed no reason") from None


def lines(report: dict[str, Any]) -> list[str]:
    """Return a sorted line for each advisory in a report of pip-audit."""
    found = []
    for package in report["dependencies"]:
        for one in package["vulns"]:
            fixed = ", ".join(one["fix_versions"]) or "no release"
            names = " ".join(dict.fromkeys([one["id"], *one["aliases"]]))
            found.append(f"{package['name']} {package['version']}: {names}, fixed in {fixed}")
    return sorted(set(found))


def main() -> int:
    """Check every requirements file; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--source", default=os.environ.get("ADVISORIES_URL") or SOURCE)
    parser.add_argument(
        "--required", action="store_true", help="fail if the source can't be reached"
    )
    parser.add_argument("--ignore", action="append", default=[], metavar="ID")
    parser.add_argument("files", nargs="*", type=Path, help="default: all in requirements/")
    chosen = parser.parse_args()
    files = chosen.files or sorted(FOLDER.glob("*.txt"))
    try:
        reach(chosen.source)
        found = findings(chosen.source, files, chosen.ignore)
    except UnreachableError as error:
        print(f"NOT CHECKED: {chosen.source} can't be queried for advisories: {error}.")
        print("Run `make advisories` where it can be reached, or name a mirror with --source.")
        return 2 if chosen.required else 0
    except CheckError as error:
        print(f"The check for advisories failed: {error}", file=sys.stderr)
        return 2
    print("\n".join(found) or f"No advisory about the releases that {len(files)} files pin.")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
