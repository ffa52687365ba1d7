"""Settings of namespaces: names, labels and annotations for cluster administrators only. Pure."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import AfterValidator

from config.section import Section

RESERVED_PREFIX = "sekisho.io/"
"""The prefix of Sekisho's own keys: always guarded."""

OWN_NAMESPACE = "sekisho-system"
"""The namespace of Sekisho's accounts: always a system namespace."""

_MOST_PATTERNS, _MOST_CHARACTERS = 100, 253


def _patterns(value: tuple[str, ...]) -> tuple[str, ...]:
    if len(value) > _MOST_PATTERNS:
        raise ValueError(f"must have at most {_MOST_PATTERNS} entries")
    for one in value:
        if not 0 < len(one) <= _MOST_CHARACTERS or not one.isascii() or not one.isprintable():
            raise ValueError(f"{one[:64]!r} is neither a name nor a prefix followed by *")
        if "*" in one[:-1] or " " in one:
            raise ValueError(f"{one!r} may have a * at its end only")
    return value


Patterns = Annotated[tuple[str, ...], AfterValidator(_patterns)]
"""Names, each complete or a prefix followed by ``*``."""


class NamespaceSettings(Section):
    """Restrictions on changes of namespaces by project members, through the API or kubectl."""

    system_names: Patterns = ("kube-*", "openshift-*", "openshift", "cattle-*", "default")
    """Namespaces of the cluster itself: only its administrators create them or move them."""

    guarded_keys: Patterns = (
        "pod-security.kubernetes.io/*",
        "kubernetes.io/*",
        "scheduler.alpha.kubernetes.io/*",
        "net.beta.kubernetes.io/*",
        "security.openshift.io/*",
        "openshift.io/*",
        "istio-injection",
        "istio.io/*",
        "sidecar.istio.io/*",
        "linkerd.io/*",
        "config.linkerd.io/*",
        "admission.gatekeeper.sh/*",
        "policies.kyverno.io/*",
        "cert-manager.io/*",
        "iam.amazonaws.com/*",
        "cnrm.cloud.google.com/*",
        "cni.projectcalico.org/*",
        "k8s.ovn.org/*",
        "field.cattle.io/*",
        "capsule.clastix.io/*",
        "control-plane",
        "admissions.enforcer/*",
    )
    """Keys of labels and annotations that affect policies: only administrators may set them."""

    free_keys: Patterns = (
        "app.kubernetes.io/*",
        "kubectl.kubernetes.io/*",
        "helm.sh/*",
        "meta.helm.sh/*",
    )
    """Keys with a domain (``example.com/…``) that members may set. ``*``: all but guarded keys."""

    def is_system(self, name: str) -> bool:
        """Return whether a namespace with that name belongs to the cluster itself."""
        return name == OWN_NAMESPACE or matches(name, self.system_names)

    def is_guarded(self, key: str) -> bool:
        """Return whether only administrators may set a label or annotation with that key."""
        if key.startswith(RESERVED_PREFIX) or matches(key, self.guarded_keys):
            return True
        return "/" in key and not matches(key, self.free_keys)


def matches(text: str, patterns: Iterable[str]) -> bool:
    """Return whether ``text`` equals a pattern, or begins with the prefix of one."""
    return any(text.startswith(one[:-1]) if one.endswith("*") else text == one for one in patterns)


def split_patterns(patterns: Iterable[str]) -> tuple[list[str], list[str]]:
    """Return the complete names in ``patterns``, and the prefixes."""
    every = sorted(patterns)
    return (
        [one for one in every if not one.endswith("*")],
        [one[:-1] for one in every if one.endswith("*")],
    )
