"""An order of each class with all of its variables, and what the engine must make of it."""

from dataclasses import dataclass, field
from typing import Any

from tests.deploy.classes.shipped import Object


@dataclass(frozen=True)
class FullOrder:
    """An order: the values of all variables, and the fields of objects that result from them."""

    version: str
    variables: dict[str, Any]
    made: dict[str, Object]
    """A part of the spec of the object of each kind. Lists are equal, objects may have more."""

    refused: dict[str, Any] = field(default_factory=dict)
    """Values that the class must refuse, one by one."""

    def cluster(self, class_name: str, **variables: Any) -> Object:
        """Return the Cluster, with some other values."""
        values = self.variables | variables
        return {
            "apiVersion": "cluster.x-k8s.io/v1beta2",
            "kind": "Cluster",
            "metadata": {"name": f"full-{class_name}"},
            "spec": {
                "topology": {
                    "classRef": {"name": class_name},
                    "version": self.version,
                    "variables": [{"name": key, "value": one} for key, one in values.items()],
                }
            },
        }


LABELS = {"cost-center": "shop"}
NETWORKS = ["192.0.2.0/24", "198.51.100.7/32"]
NAMES = ["docker.example.com", "192.0.2.7"]
PLUGIN = "https://plugins.example.com/network.yaml"

ORDERS = {
    "docker": FullOrder(
        version="v1.35.0",
        variables={
            "nodeImage": "registry.example.com/kindest/node",
            "podCidr": "10.20.0.0/16",
            "networkPlugin": PLUGIN,
            "certificateNames": NAMES,
        },
        made={
            "KubeadmControlPlane": {
                "version": "v1.35.0",
                "kubeadmConfigSpec": {
                    "clusterConfiguration": {
                        "apiServer": {"certSANs": ["localhost", "127.0.0.1", *NAMES]},
                        "controllerManager": {
                            "extraArgs": [
                                {"name": "allocate-node-cidrs", "value": "true"},
                                {"name": "cluster-cidr", "value": "10.20.0.0/16"},
                            ]
                        },
                    },
                    "postKubeadmCommands": [
                        "kubectl --kubeconfig /etc/kubernetes/admin.conf apply --server-side -f "
                        + PLUGIN
                    ],
                },
            },
            "DevMachineTemplate": {
                "template": {
                    "spec": {
                        "backend": {
                            "docker": {"customImage": "registry.example.com/kindest/node:v1.35.0"}
                        }
                    }
                }
            },
        },
        refused={
            "networkPlugin": "https://x.example.com/a.yaml; reboot",
            "podCidr": "all",
            "nodeImage": "",
            "certificateNames": [""],
        },
    ),
    "rke2": FullOrder(
        version="v1.34.2+rke2r1",
        variables={
            "nodeImage": "registry.example.com/node:v1",
            "cni": "cilium",
            "cisProfile": True,
            "disabledComponents": ["rke2-ingress-nginx"],
            "certificateNames": NAMES,
        },
        made={
            "RKE2ControlPlane": {
                "version": "v1.34.2+rke2r1",
                "agentConfig": {"cisProfile": "cis"},
                "serverConfig": {
                    "cni": "cilium",
                    "tlsSan": NAMES,
                    "disableComponents": {
                        "kubernetesComponents": ["cloudController"],
                        "pluginComponents": ["rke2-ingress-nginx"],
                    },
                },
            },
            "RKE2ConfigTemplate": {"template": {"spec": {"agentConfig": {"cisProfile": "cis"}}}},
            "DevMachineTemplate": {
                "template": {
                    "spec": {"backend": {"docker": {"customImage": "registry.example.com/node:v1"}}}
                }
            },
        },
        refused={"cni": "none", "cisProfile": "yes", "disabledComponents": ["rke2-coredns"]},
    ),
    "gke": FullOrder(
        version="v1.33.5",
        variables={
            "project": "shop-production",
            "region": "europe-west3",
            "zone": "europe-west3-b",
            "nodeZones": ["europe-west3-a", "europe-west3-b"],
            "network": "shop",
            "authorizedNetworks": NETWORKS,
            "machineType": "n4-standard-8",
            "diskSizeGb": 200,
            "diskType": "pd-ssd",
            "spot": True,
            "labels": LABELS,
        },
        made={
            "GCPManagedCluster": {
                "project": "shop-production",
                "region": "europe-west3",
                "network": {"name": "shop"},
                "additionalLabels": LABELS,
            },
            "GCPManagedControlPlane": {
                "version": "v1.33.5",
                "project": "shop-production",
                "location": "europe-west3-b",
                "clusterSecurity": {
                    "workloadIdentityConfig": {"workloadPool": "shop-production.svc.id.goog"}
                },
                "master_authorized_networks_config": {
                    "gcp_public_cidrs_access_enabled": False,
                    "cidr_blocks": [{"cidr_block": one} for one in NETWORKS],
                },
            },
            "GCPManagedMachinePool": {
                "nodePoolName": "workers",
                "machineType": "n4-standard-8",
                "diskSizeGb": 200,
                "diskType": "pd-ssd",
                "spot": True,
                "nodeLocations": ["europe-west3-a", "europe-west3-b"],
                "additionalLabels": LABELS,
            },
        },
        refused={
            "project": "UPPER",
            "region": "europe",
            "zone": "europe-west3",
            "diskSizeGb": 5,
            "diskType": "floppy",
            "spot": "true",
            "labels": {"owner": "A Person"},
        },
    ),
    "eks": FullOrder(
        version="v1.34.0",
        variables={
            "region": "eu-central-1",
            "machineType": "m7i.xlarge",
            "diskSizeGb": 120,
            "spot": True,
            "vpcCidr": "10.50.0.0/16",
            "availabilityZones": 3,
            "authorizedNetworks": NETWORKS,
            "supportPolicy": "extended",
            "sshKeyName": "operators",
            "tags": LABELS,
        },
        made={
            "AWSManagedControlPlane": {
                "version": "v1.34.0",
                "region": "eu-central-1",
                "network": {"vpc": {"cidrBlock": "10.50.0.0/16", "availabilityZoneUsageLimit": 3}},
                "endpointAccess": {"public": True, "private": True, "publicCIDRs": NETWORKS},
                "upgradePolicy": "extended",
                "sshKeyName": "",
                "additionalTags": LABELS,
            },
            "AWSMachineTemplate": {
                "template": {
                    "spec": {
                        "instanceType": "m7i.xlarge",
                        "marketType": "Spot",
                        "sshKeyName": "operators",
                        "rootVolume": {"size": 120, "type": "gp3", "encrypted": True},
                        "additionalTags": LABELS,
                        "instanceMetadataOptions": {"httpTokens": "required"},
                    }
                }
            },
        },
        refused={
            "region": "Frankfurt",
            "machineType": "large",
            "availabilityZones": 1,
            "vpcCidr": "10.0.0.0/8",
            "supportPolicy": "none",
        },
    ),
    "aks": FullOrder(
        version="v1.33.2",
        variables={
            "location": "germanywestcentral",
            "machineType": "Standard_D8s_v5",
            "diskSizeGb": 256,
            "zones": ["1", "3"],
            "tier": "Premium",
            "authorizedNetworks": NETWORKS,
            "podCidr": "10.20.0.0/16",
            "tags": LABELS,
        },
        made={"AzureASOManagedControlPlane": {"version": "v1.33.2"}},
        refused={
            "location": "Germany West Central",
            "machineType": "D8",
            "zones": ["4"],
            "tier": "Gold",
            "diskSizeGb": 1,
        },
    ),
}
