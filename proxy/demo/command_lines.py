"""Build the command lines of a local cluster's programs. Pure. Unusual flags have a comment."""

from pathlib import Path

from proxy.demo.pki import Pki

SERVICE_RANGE = "10.96.0.0/16"
ISSUER = "https://kubernetes.default.svc"

CONTROLLERS = (
    # Aggregates the roles admin, edit and view from other roles; without it, they are empty.
    "clusterrole-aggregation-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
    "root-ca-certificate-publisher-controller",
    "namespace-controller",
    "deployment-controller",
    "replicaset-controller",
    # Make the revisions to which a rollback returns.
    "statefulset-controller",
    "daemonset-controller",
    "garbage-collector-controller",
)
"""The controllers that are useful in a cluster whose nodes run no containers."""

AUDIT_POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules: [{level: Metadata}]
"""


def etcd(program: Path, pki: Pki, data: Path, *, port: int, peer_port: int) -> list[str]:
    """Return the command of an etcd with one member. It requires certificates, and never syncs."""
    client, peer = f"https://127.0.0.1:{port}", f"https://127.0.0.1:{peer_port}"
    return [
        str(program),
        "--name=local",
        f"--data-dir={data}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=local={peer}",
        *_etcd_certificates("", pki),
        *_etcd_certificates("peer-", pki),
        # Its JSON gateway would dial itself, with a certificate that is a server's only.
        "--enable-grpc-gateway=false",
        "--socket-reuse-port",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def _etcd_certificates(prefix: str, pki: Pki) -> list[str]:
    return [
        f"--{prefix}client-cert-auth",
        f"--{prefix}trusted-ca-file={pki.certificate('ca')}",
        f"--{prefix}cert-file={pki.certificate('etcd')}",
        f"--{prefix}key-file={pki.key('etcd')}",
    ]


def kube_apiserver(
    program: Path, pki: Pki, *, port: int, etcd_port: int, service_accounts: bool
) -> list[str]:
    """Return the command of an API server with RBAC. ``O=system:masters`` administers it."""
    command = [
        str(program),
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        "--permit-port-sharing",
        # Its address is published nowhere: loopback is no address for an Endpoints object.
        "--advertise-address=127.0.0.1",
        "--endpoint-reconciler-type=none",
        f"--etcd-servers=https://127.0.0.1:{etcd_port}",
        f"--etcd-cafile={pki.certificate('ca')}",
        f"--etcd-certfile={pki.certificate('admin')}",
        f"--etcd-keyfile={pki.key('admin')}",
        f"--tls-cert-file={pki.certificate('kube-apiserver')}",
        f"--tls-private-key-file={pki.key('kube-apiserver')}",
        f"--client-ca-file={pki.certificate('ca')}",
        f"--kubelet-client-certificate={pki.certificate('kubelet-client')}",
        f"--kubelet-client-key={pki.key('kubelet-client')}",
        f"--kubelet-certificate-authority={pki.certificate('ca')}",
        "--kubelet-preferred-address-types=InternalIP",
        "--authorization-mode=RBAC",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-key-file={pki.certificate('service-accounts')}",
        f"--service-account-signing-key-file={pki.key('service-accounts')}",
        f"--service-cluster-ip-range={SERVICE_RANGE}",
    ]
    if not service_accounts:
        # This plugin refuses pods in a namespace that has no service account yet.
        command.append("--disable-admission-plugins=ServiceAccount")
    return command


def aggregation(pki: Pki) -> list[str]:
    """Return the flags with which an API server delegates APIs to other servers."""
    return [
        f"--proxy-client-cert-file={pki.certificate('front-proxy')}",
        f"--proxy-client-key-file={pki.key('front-proxy')}",
        f"--requestheader-client-ca-file={pki.certificate('ca')}",
        # The CA signs clients as well, and only this one may name users in headers.
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
    ]


def audit(policy: Path, log: Path) -> list[str]:
    """Return the flags with which an API server writes its audit log before it responds."""
    return [
        f"--audit-policy-file={policy}",
        f"--audit-log-path={log}",
        "--audit-log-mode=blocking-strict",
    ]


def kube_controller_manager(program: Path, pki: Pki, *, kubeconfig: Path) -> list[str]:
    """Return the command of a controller-manager without listener and leader election."""
    return [
        str(program),
        f"--kubeconfig={kubeconfig}",
        f"--controllers={','.join(CONTROLLERS)}",
        f"--service-account-private-key-file={pki.key('service-accounts')}",
        f"--root-ca-file={pki.certificate('ca')}",
        "--leader-elect=false",
        "--secure-port=0",
    ]
