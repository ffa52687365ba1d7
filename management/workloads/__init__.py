"""Workloads of a cluster as the API shows them.

Pure modules turn objects into rows: :mod:`.kinds` has the kinds and their paths, :mod:`.rows` a row
for each workload, :mod:`.states` the word for its state, :mod:`.pods` its pods and their
containers, :mod:`.history` its revisions, :mod:`.selectors` label selectors,
:mod:`.cluster_events` what the cluster reports, and :mod:`.places` where to read. The objects come
from a cluster and are not trusted: fields of another type count as missing, and texts and lists are
cut.

With a caller's client, :mod:`.reader` reads a list, :mod:`.follower` keeps it up to date, and
:mod:`.detail` reads one workload with its parts.

May import: ``management.caller_client``, ``management.kubernetes``, ``management.backoff``.
"""
