"""Which Kubernetes is compared. One line is one pair; a new release is one line more.

A release other than the newest also needs its module file, which one command writes:
``python tests/kubernetes/build.py --pin v1.34.4``. docs/compatibility.md has the whole story.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Versions:
    """An API server (with the controllers of its release) and the kubectl that asks it."""

    api_server: str
    kubectl: str

    def __str__(self) -> str:
        return f"{self.api_server}-kubectl-{self.kubectl}"


MATRIX = (
    Versions(api_server="v1.36.3", kubectl="v1.36.3"),
    Versions(api_server="v1.34.4", kubectl="v1.36.3"),
)
