"""What ``kubectl apply`` makes of a cluster that registers itself. Pure.

The accounts and their rights, and a Job that asks for their tokens and tells us. The Job's own
account may do that one thing: it is no administrator, and whoever applies this is one.
"""

from collections.abc import Sequence
from typing import Any

import yaml

from management.downstream.objects import (
    CONTROLLER,
    IMPERSONATOR,
    LABELS,
    NAMESPACE,
    RBAC,
    Manifest,
    setup,
)

REGISTRAR = "sekisho-registrar"

_MOUNT = "/etc/sekisho-registration"


def registration(*, external_url: str, ca_pem: str | None, code: str, image: str) -> list[Manifest]:
    """Every object, in the order in which it can be made."""
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
    reference = {"apiGroup": RBAC, "kind": "Role", "name": REGISTRAR}
    account = {"kind": "ServiceAccount", "namespace": NAMESPACE, "name": REGISTRAR}
    return [
        *setup(),
        _object("v1", "ServiceAccount"),
        _object(f"{RBAC}/v1", "Role", rules=[rule]),
        _object(f"{RBAC}/v1", "RoleBinding", roleRef=reference, subjects=[account]),
        _object("v1", "Secret", stringData=files),
        _object("batch/v1", "Job", spec=_job(image, command)),
    ]


def as_yaml(manifests: Sequence[Manifest]) -> str:
    """Manifests as ``kubectl apply -f`` reads them."""
    return yaml.safe_dump_all(manifests, sort_keys=False, explicit_start=True)


def _job(image: str, command: list[str]) -> dict[str, Any]:
    container = {
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
    pod = {
        "serviceAccountName": REGISTRAR,
        "restartPolicy": "OnFailure",
        "containers": [container],
        "volumes": [{"name": "registration", "secret": {"secretName": REGISTRAR}}],
    }
    template = {"metadata": {"labels": dict(LABELS)}, "spec": pod}
    return {"backoffLimit": 6, "ttlSecondsAfterFinished": 600, "template": template}


def _object(version: str, kind: str, **content: Any) -> Manifest:
    metadata = {"name": REGISTRAR, "namespace": NAMESPACE, "labels": dict(LABELS)}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **content}
