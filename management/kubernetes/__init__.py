"""A small client for the Kubernetes API, and checks of what a cluster sends.

:class:`.client.ClusterClient` sends requests as one caller, by way of :mod:`.connection` (failover
over a cluster's API servers), :mod:`.tls` and :mod:`.responses` (responses to objects or errors).
:mod:`.manifests` has names, labels and API paths; :mod:`.validation` checks untrusted objects;
:mod:`.list_watch`, :mod:`.memory_budget` and :mod:`.watch_rate` limit lists and watches, and
:mod:`.process_memory` limits what all clusters take together.

It knows nothing of the store, except :mod:`.cluster_client`, which makes a client from a record.
May import: ``management.errors``, ``impersonation``, ``config``, ``providers.http`` and
``network``.
"""
