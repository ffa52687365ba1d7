"""The loops that keep every cluster in sync with the store, and its status up to date.

:class:`.manager.ControllerManager` starts them for each cluster of which this replica holds the
lease (:mod:`.leader_election`). :class:`.reconciler.ClusterReconciler` observes a cluster with
informers (:mod:`.informer`). After each change, in the cluster or in the store, it compares all
objects with the desired state and repairs the differences, from any state and any number of times.
:class:`.cluster_status.ClusterStatusObserver` stores the health and nodes of a cluster, and
:class:`.report_observer.ReportObserver` its reports: events, usage, deprecated APIs.

May import: ``management.clusters``, ``desired_state``, ``kubernetes``, ``errors``, ``backoff``.
"""
