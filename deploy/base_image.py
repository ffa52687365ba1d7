"""Write the digest of the base image's tag into the Dockerfile; needs the registry and docker.

    python deploy/base_image.py [--tag python:3.13.15-slim-trixie]

``docker buildx imagetools`` answers for all architectures at once, without pulling anything.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

DOCKERFILE = Path(__file__).resolve().parent / "Dockerfile"
BASE = re.compile(r"^ARG PYTHON=([^@\s]{1,200})@sha256:([0-9a-f]{64})$", re.MULTILINE)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SECONDS = 120.0


class UnknownDigestError(Exception):
    """Why the digest could not be found out, for the reader of the terminal."""


def digest_of(tag: str) -> str:
    """Return the digest that the registry has for ``tag``; raise UnknownDigestError."""
    command = ["docker", "buildx", "imagetools", "inspect", "--format", "{{.Manifest.Digest}}", tag]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
    except OSError as error:
        raise UnknownDigestError(f"docker can't be run ({error.strerror}); install it") from None
    except subprocess.TimeoutExpired:
        raise UnknownDigestError(f"the registry did not answer within {_SECONDS:.0f} s") from None
    digest = ended.stdout.strip()
    if ended.returncode or not _DIGEST.fullmatch(digest):
        raise UnknownDigestError(ended.stderr.strip() or f"no digest for {tag}: {digest!r}")
    return digest


def pinned(dockerfile: str, tag: str, digest: str) -> str:
    """Return ``dockerfile`` with ``tag`` at ``digest`` as its base."""
    return BASE.sub(f"ARG PYTHON={tag}@{digest}", dockerfile)


def main() -> int:
    """Write the digest, and say what was and what is; return the exit status."""
    text = DOCKERFILE.read_text()
    now = BASE.search(text)
    if now is None:
        print(f"{DOCKERFILE} has no line ARG PYTHON=<tag>@sha256:<digest>", file=sys.stderr)
        return 1
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--tag", default=now[1], help="another tag than the Dockerfile's")
    tag = parser.parse_args().tag
    try:
        digest = digest_of(tag)
    except UnknownDigestError as error:
        print(f"{tag}: {error}. The Dockerfile is as it was.", file=sys.stderr)
        return 1
    DOCKERFILE.write_text(pinned(text, tag, digest))
    print(f"{now[1]}@sha256:{now[2]}\n -> {tag}@{digest}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
