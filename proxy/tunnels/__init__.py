"""The endpoint at which agents open tunnels, and what is recorded about each tunnel.

* :class:`~.endpoint.TunnelEndpoint`: ``GET /v1/tunnel``, from the request to the open tunnel.
* :class:`~.admission.TunnelAdmission`: whose tunnel a request opens, or why it opens none.
* :class:`~.cluster_limits.ClusterLimits`: what the agents of one cluster may take.
* :class:`~.records.TunnelRecords`: log lines, audit events, and the metrics of tunnels.
* :class:`~.service.TunnelService`: the directory of tunnels with its endpoint and its tasks.
* :class:`~.peering.Peering`: the listeners for other processes of Sekisho, and the way to them.
* :func:`~.through_replicas.through_replicas`: the same way, for commands on the database.
* :class:`~.peer_metrics.PeerMetrics`: the metrics of streams between processes.
* :class:`~.verification.TunnelVerifier`: whether a tunnel leads to its cluster, before it is used.

The endpoint is called beside the proxy's handler, not by the router of the management API: a tunnel
lasts for days, and after the ``101`` its connection is no longer HTTP.
"""
