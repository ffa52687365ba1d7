"""Fields of RKE2's custom resources, as its providers' API ``v1beta2`` names them.

The providers are in no package registry that the tests use, so the names, types, and values are
written down here from the Go types of rancher/cluster-api-provider-rke2 at commit 0888d66e (control
plane) and ef0d20cd (bootstrap). What the class cannot set is open.
"""

from typing import Any

Schema = dict[str, Any]

_ANY: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
_TEXT: Schema = {"type": "string"}
_FLAG: Schema = {"type": "boolean"}
_NUMBER: Schema = {"type": "integer"}


def _one_of(*values: str) -> Schema:
    return {"type": "string", "enum": list(values)}


def _many(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _fields(**named: Schema) -> Schema:
    return {"type": "object", "properties": named}


_COMPONENT = _fields(
    extraArgs=_many(_TEXT),
    extraEnv={"type": "object", "additionalProperties": _TEXT},
    extraMounts={"type": "object", "additionalProperties": _TEXT},
    overrideImage=_TEXT,
)

_AGENT = _fields(
    airGapped=_FLAG,
    airGappedChecksum=_TEXT,
    cisProfile=_one_of("cis", "cis-1.23", "cis-1.5", "cis-1.6"),
    containerRuntimeEndpoint=_TEXT,
    dataDir=_TEXT,
    enableContainerdSElinux=_FLAG,
    format=_one_of("cloud-config", "ignition"),
    kubeProxy=_COMPONENT,
    kubelet=_COMPONENT,
    kubeletPath=_TEXT,
    loadBalancerPort=_NUMBER,
    nodeAnnotations={"type": "object", "additionalProperties": _TEXT},
    nodeLabels=_many(_TEXT),
    nodeName=_TEXT,
    nodeTaints=_many(_TEXT),
    podSecurityAdmissionConfigFile=_TEXT,
    protectKernelDefaults=_FLAG,
    runtimeImage=_TEXT,
    snapshotter=_TEXT,
    systemDefaultRegistry=_TEXT,
)

_CONFIG: dict[str, Schema] = {
    "agentConfig": _AGENT,
    "gzipUserData": _FLAG,
    "postRKE2Commands": _many(_TEXT),
    "preRKE2Commands": _many(_TEXT),
    "privateRegistriesConfig": _ANY,
}

_PLUG_INS = (
    "rke2-coredns",
    "rke2-ingress-nginx",
    "rke2-metrics-server",
    "rke2-snapshot-controller",
    "rke2-snapshot-controller-crd",
    "rke2-snapshot-validation-webhook",
)

_SERVER = _fields(
    advertiseAddress=_TEXT,
    bindAddress=_TEXT,
    cloudControllerManager=_COMPONENT,
    cloudProviderName=_TEXT,
    clusterDNS=_TEXT,
    clusterDomain=_TEXT,
    cni=_one_of("none", "calico", "canal", "cilium"),
    cniMultusEnable=_FLAG,
    disableComponents=_fields(
        kubernetesComponents=_many(_one_of("scheduler", "kubeProxy", "cloudController")),
        pluginComponents=_many(_one_of(*_PLUG_INS)),
    ),
    embeddedRegistry=_FLAG,
    etcd=_ANY,
    kubeAPIServer=_COMPONENT,
    kubeControllerManager=_COMPONENT,
    kubeScheduler=_COMPONENT,
    pauseImage=_TEXT,
    serviceNodePortRange=_TEXT,
    tlsSan=_many(_TEXT),
)

_REGISTRATION = (
    "internal-first",
    "internal-only-ips",
    "external-only-ips",
    "address",
    "control-plane-endpoint",
    "",
)

_CONTROL_PLANE: dict[str, Schema] = _CONFIG | {
    "machineTemplate": _ANY,
    "registrationAddress": _TEXT,
    "registrationMethod": _one_of(*_REGISTRATION),
    "remediationStrategy": _ANY,
    "rolloutStrategy": _fields(
        type=_TEXT, rollingUpdate=_fields(maxSurge={"x-kubernetes-int-or-string": True})
    ),
    "serverConfig": _SERVER,
}


def _template(named: dict[str, Schema], required: list[str]) -> Schema:
    spec = _fields(**named) | {"required": required}
    return _fields(template=_fields(metadata=_ANY, spec=spec))


_VERSION = {"type": "string", "pattern": r"(v\d\.\d{2}\.\d+\+rke2r\d)|^$"}

RKE2_SPECS: dict[str, Schema] = {
    "RKE2ControlPlane": _fields(**_CONTROL_PLANE, replicas=_NUMBER, version=_VERSION)
    | {"required": ["rolloutStrategy"]},
    "RKE2ControlPlaneTemplate": _template(_CONTROL_PLANE, ["rolloutStrategy"]),
    "RKE2Config": _fields(**_CONFIG),
    "RKE2ConfigTemplate": _template(_CONFIG, []),
}
"""The schemas of ``spec`` by kind."""
