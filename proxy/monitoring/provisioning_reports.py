"""Create the controllers of clusters made to order, with their metrics and audit events."""

from collections.abc import Mapping

from prometheus_client import CollectorRegistry

from management.api.services import Services
from management.controllers.manager import ControllerManager
from management.provisioning.agent_install import AgentInstaller, AgentSource
from management.provisioning.importing import ClusterImporter
from management.provisioning.provisioners import Provisioners
from proxy.audit.log import AuditLog
from proxy.audit.provisioning_acts import record_order_act
from proxy.monitoring.provisioning_collector import OrderSteps, ProvisioningCollector
from store.order_records import Order


def create_provisioners(
    services: Services,
    controllers: ControllerManager,
    audit_log: AuditLog | None,
    registry: CollectorRegistry,
) -> Provisioners:
    """Return the provisioners, which share the leases of the other controllers."""

    def record(action: str, order: Order, facts: Mapping[str, str]) -> None:
        if audit_log is not None:
            record_order_act(audit_log, action, order, facts)

    source = AgentSource(services.external_url, services.ca_pem, services.agent_image)
    agents = AgentInstaller(services.store, source, services.cluster_addresses)
    importer = ClusterImporter(services.store, agents, services.cluster_addresses)
    provisioners = Provisioners(
        services.store,
        controllers.election,
        importer,
        record,
        OrderSteps(registry).observe,
        memory=controllers.memory,
    )
    registry.register(ProvisioningCollector(provisioners))
    return provisioners
