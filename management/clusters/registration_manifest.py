"""The manifests that an administrator applies to register a cluster. Pure.

They contain Sekisho's service accounts with their rights, and a Job that requests their tokens and
sends them to Sekisho. The Job's own service account may do only that.
"""

import hashlib
from collections.abc import Sequence
from typing import Any

import yaml

from management.clusters.agent_manifest import AgentOptions, pod_placement, proxy_environment
from management.desired_state.installation import installation
from management.kubernetes.manifests import (
    CONTROLLER,
    IMPERSONATOR,
    LABELS,
    NAMESPACE,
    RBAC,
    REGISTRAR,
    Manifest,
)

_MOUNT = "/etc/sekisho-registration"


def registration(
    *,
    external_url: str,
    ca_pem: str | None,
    code: str,
    image: str,
    options: AgentOptions | None = None,
) -> list[Manifest]:
    """Return all objects in an order in which they can be created.

    With ``options``, the Job runs where the agent runs, and uses its proxy.
    """
    command = ["sekisho", "register", "--server", external_url, "--code-file", f"{_MOUNT}/code"]
    files = {"code": code}
    if ca_pem is not None:
        files["ca.crt"] = ca_pem
        command += ["--ca-file", f"{_MOUNT}/ca.crt"]
    rule = {
        "apiGroups": [""],
        "resources": ["serviceaccounts/token"],
        "resourceNames": [CONTROLLER, IMPERSONATOR],
        "verbs": ["create"],
    }
    # After a failed registration, no other account can remove these rights.
    own_removal = {
        "apiGroups": [RBAC],
        "resources": ["rolebindings"],
        "resourceNames": [REGISTRAR],
        "verbs": ["delete"],
    }
    reference = {"apiGroup": RBAC, "kind": "Role", "name": REGISTRAR}
    account = {"kind": "ServiceAccount", "namespace": NAMESPACE, "name": REGISTRAR}
    return [
        *installation(),
        _object("v1", "ServiceAccount"),
        _object(f"{RBAC}/v1", "Role", rules=[rule, own_removal]),
        _object(f"{RBAC}/v1", "RoleBinding", roleRef=reference, subjects=[account]),
        _object("v1", "Secret", stringData=files),
        _object("batch/v1", "Job", _job_name(code), spec=_job(image, command, options)),
    ]


def as_yaml(manifests: Sequence[Manifest]) -> str:
    """Return manifests as YAML for ``kubectl apply -f``."""
    return yaml.safe_dump_all(manifests, sort_keys=False, explicit_start=True)


def _job(image: str, command: list[str], options: AgentOptions | None) -> dict[str, Any]:
    container: dict[str, Any] = {
        "name": "register",
        "image": image,
        "command": command,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumeMounts": [{"name": "registration", "mountPath": _MOUNT, "readOnly": True}],
    }
    pod: dict[str, Any] = {
        "serviceAccountName": REGISTRAR,
        "restartPolicy": "OnFailure",
        "containers": [container],
        "volumes": [{"name": "registration", "secret": {"secretName": REGISTRAR}}],
    }
    if options is not None:
        container["env"] = proxy_environment(options)
        pod |= pod_placement(options)
    labels = {**LABELS, "app.kubernetes.io/name": REGISTRAR}
    template = {"metadata": {"labels": labels}, "spec": pod}
    # activeDeadlineSeconds is the lifetime of the registration code.
    return {
        "backoffLimit": 6,
        "activeDeadlineSeconds": 3600,
        "ttlSecondsAfterFinished": 600,
        "template": template,
    }


def _job_name(code: str) -> str:
    """Return the name of a registration's Job: a Job of an earlier registration is immutable."""
    return f"{REGISTRAR}-{hashlib.sha256(code.encode()).hexdigest()[:10]}"


def _object(version: str, kind: str, name: str = REGISTRAR, **content: Any) -> Manifest:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": dict(LABELS)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}
