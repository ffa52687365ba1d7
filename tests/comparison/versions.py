"""The Kubernetes versions under test, one line per pair.

A release other than the newest also needs a module file, which one command writes:
``python tests/kubernetes/build.py --pin v1.34.4``. See docs/compatibility.md.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Versions:
    """The versions of the API server (with its controllers) and of kubectl."""

    api_server: str
    kubectl: str

    def __str__(self) -> str:
        return f"{self.api_server}-kubectl-{self.kubectl}"


MATRIX = (
    Versions(api_server="v1.36.3", kubectl="v1.36.3"),
    Versions(api_server="v1.34.4", kubectl="v1.36.3"),
)
