"""The manifests of the agent that connects a cluster to Sekisho. Pure.

The agent's service account has no rights and no mounted token: the agent relays bytes that it
cannot read. The Role in these manifests belongs to Sekisho's controller, which renews the agent's
token and removes the agent, and is bound by name to the agent's objects.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from management.kubernetes.manifests import (
    AGENT,
    AGENT_IMAGE_ANNOTATION,
    CONTROLLER,
    LABELS,
    NAMESPACE,
    RBAC,
    Manifest,
    api_version,
)

GRACE_SECONDS = 60
"""How long a pod that is being deleted may finish its streams."""

MOVE_SECONDS = 30
"""How long a pod stays on a node that does not respond. Kubernetes' default is 300 s."""

READY_SECONDS = 10
"""How long a new pod is connected before an old one is deleted."""

HEALTH_PORT = 8081
"""The port of the agent's probes."""

_MOUNT = "/etc/sekisho-agent"
_POD_LABELS = {"app.kubernetes.io/name": AGENT, "app.kubernetes.io/part-of": "sekisho"}
_SELECTOR = {"matchLabels": {"app.kubernetes.io/name": AGENT}}


@dataclass(frozen=True, slots=True)
class AgentOptions:
    """How the agent's pods run in a cluster.

    ``https_proxy`` is the URL of the proxy on the way to Sekisho, and may contain credentials.
    ``no_proxy`` lists hosts, domains and networks that are reached without it. ``host_aliases``
    are host names by IP address, for clusters whose DNS does not know Sekisho. ``tolerations`` are
    Kubernetes' own objects. ``network_policy`` adds a policy that denies all ingress.
    ``upgrades``: ``image`` is Sekisho's choice, which replaces it when the server is upgraded.
    """

    image: str
    image_pull_secrets: Sequence[str] = ()
    https_proxy: str | None = field(default=None, repr=False)
    no_proxy: str | None = None
    host_aliases: Mapping[str, Sequence[str]] = field(default_factory=dict)
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: Sequence[Mapping[str, object]] = ()
    priority_class: str | None = None
    replicas: int = 2
    network_policy: bool = False
    upgrades: bool = False


def agent(
    *, external_url: str, ca_pem: str | None, token: str, options: AgentOptions
) -> list[Manifest]:
    """Return the agent's objects, in an order in which they can be created.

    ``ca_pem`` is what the agent trusts, and nothing else; None: the system's trust store.
    """
    policy = [_object("NetworkPolicy", spec=_NO_INGRESS)] if options.network_policy else []
    return [
        _object("ServiceAccount", automountServiceAccountToken=False),
        _object("Role", rules=_CONTROLLER_RULES),
        _object(
            "RoleBinding",
            roleRef={"apiGroup": RBAC, "kind": "Role", "name": AGENT},
            subjects=[{"kind": "ServiceAccount", "namespace": NAMESPACE, "name": CONTROLLER}],
        ),
        _object("Secret", type="Opaque", stringData=_files(token, ca_pem, options)),
        *policy,
        _object("PodDisruptionBudget", spec={"maxUnavailable": 1, "selector": _SELECTOR}),
        _with_image(
            _object("Deployment", spec=_deployment(external_url, ca_pem is not None, options)),
            options,
        ),
    ]


def _with_image(deployment: Manifest, options: AgentOptions) -> Manifest:
    """Mark a Deployment whose image Sekisho may replace."""
    if options.upgrades:
        deployment["metadata"]["annotations"] = {AGENT_IMAGE_ANNOTATION: options.image}
    return deployment


_CONTROLLER_RULES = [
    {"apiGroups": [group], "resources": [resource], "resourceNames": [AGENT], "verbs": verbs}
    for group, resource, verbs in (
        # A new token is written into the Secret. Reading it is not needed.
        ("", "secrets", ["patch", "delete"]),
        # With a new token or a new image, the pods are replaced. An image of the operator is kept,
        # so the present one is read.
        ("apps", "deployments", ["get", "patch", "delete"]),
        ("policy", "poddisruptionbudgets", ["delete"]),
        (RBAC, "roles", ["delete"]),
    )
]

_NO_INGRESS = {"podSelector": _SELECTOR, "policyTypes": ["Ingress"]}


def _files(token: str, ca_pem: str | None, options: AgentOptions) -> dict[str, str]:
    files = {"token": token}
    if ca_pem is not None:
        files["ca.crt"] = ca_pem
    if options.https_proxy is not None:
        files["https-proxy"] = options.https_proxy
    return files


def _deployment(external_url: str, has_ca: bool, options: AgentOptions) -> dict[str, Any]:
    placement = pod_placement(options)
    return {
        "replicas": options.replicas,
        # A new version that cannot connect never becomes ready, and the old pods remain.
        "strategy": {
            "type": "RollingUpdate",
            "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
        },
        # All replicas use the new pod's tunnels before the tunnels of an old pod end.
        "minReadySeconds": READY_SECONDS,
        "selector": _SELECTOR,
        "template": {
            "metadata": {"labels": dict(_POD_LABELS)},
            "spec": {
                "serviceAccountName": AGENT,
                "automountServiceAccountToken": False,
                "enableServiceLinks": False,
                "terminationGracePeriodSeconds": GRACE_SECONDS,
                "securityContext": {
                    "runAsNonRoot": True,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [_container(external_url, has_ca, options)],
                "volumes": [{"name": "agent", "secret": {"secretName": AGENT}}],
                "topologySpreadConstraints": _spread(),
                **placement,
                "tolerations": [*_moves(), *placement["tolerations"]],
            },
        },
    }


def _spread() -> list[dict[str, Any]]:
    """Return the preference of pods for distinct nodes and zones."""
    # A preference: required anti-affinity would block updates in a cluster of one node.
    return [
        {
            "maxSkew": 1,
            "topologyKey": key,
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": _SELECTOR,
        }
        for key in ("kubernetes.io/hostname", "topology.kubernetes.io/zone")
    ]


def _moves() -> list[dict[str, Any]]:
    """Return the tolerations by which a pod leaves a node that does not respond."""
    return [
        {
            "key": f"node.kubernetes.io/{condition}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": MOVE_SECONDS,
        }
        for condition in ("not-ready", "unreachable")
    ]


def pod_placement(options: AgentOptions) -> dict[str, Any]:
    """Return the fields of a pod on which the options decide, except its container's."""
    placement: dict[str, Any] = {"tolerations": [dict(one) for one in options.tolerations]}
    if options.node_selector:
        placement["nodeSelector"] = dict(options.node_selector)
    if options.priority_class is not None:
        placement["priorityClassName"] = options.priority_class
    if options.image_pull_secrets:
        placement["imagePullSecrets"] = [{"name": one} for one in options.image_pull_secrets]
    if options.host_aliases:
        placement["hostAliases"] = [
            {"ip": ip, "hostnames": list(names)} for ip, names in options.host_aliases.items()
        ]
    return placement


def proxy_environment(options: AgentOptions) -> list[dict[str, Any]]:
    """Return the environment variables of the proxy. Its URL comes from the agent's Secret."""
    environment: list[dict[str, Any]] = []
    if options.https_proxy is not None:
        reference = {"name": AGENT, "key": "https-proxy"}
        environment.append({"name": "HTTPS_PROXY", "valueFrom": {"secretKeyRef": reference}})
    if options.no_proxy is not None:
        environment.append({"name": "NO_PROXY", "value": options.no_proxy})
    return environment


def _container(external_url: str, has_ca: bool, options: AgentOptions) -> dict[str, Any]:
    command = ["sekisho", "agent", "--server", external_url, "--token-file", f"{_MOUNT}/token"]
    if has_ca:
        command += ["--ca-file", f"{_MOUNT}/ca.crt"]
    return {
        "name": "agent",
        "image": options.image,
        "command": command,
        "env": [*_names(), *proxy_environment(options)],
        "ports": [{"name": "health", "containerPort": HEALTH_PORT}],
        "readinessProbe": _probe("/readyz", 5),
        "livenessProbe": _probe("/healthz", 20),
        "resources": {
            "requests": {"cpu": "50m", "memory": "64Mi"},
            # Two tunnels, each with at most 64 MiB in its windows.
            "limits": {"memory": "256Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
        # The whole directory: a file that is mounted by subPath would never change.
        "volumeMounts": [{"name": "agent", "mountPath": _MOUNT, "readOnly": True}],
    }


def _probe(path: str, period: int) -> dict[str, Any]:
    return {
        "httpGet": {"path": path, "port": "health"},
        "periodSeconds": period,
        "timeoutSeconds": 5,
        "failureThreshold": 3,
    }


def _names() -> list[dict[str, Any]]:
    """Return the environment variables by which the agent introduces itself."""
    return [
        {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}
        for name, path in (("POD_NAME", "metadata.name"), ("NODE_NAME", "spec.nodeName"))
    ]


def _object(kind: str, **content: Any) -> Manifest:
    metadata = {"name": AGENT, "namespace": NAMESPACE, "labels": dict(LABELS)}
    return {"apiVersion": api_version(kind), "kind": kind, "metadata": metadata, **content}
