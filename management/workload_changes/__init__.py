"""Changes of workloads in clusters, as the calling user.

Pure modules decide what to send: :mod:`.manifest_kinds` and :mod:`.manifest` (what a manifest may
contain), :mod:`.patches` (scale, image, pause, restart), :mod:`.rollback` (the revision to return
to), :mod:`.field_changes` (the differences between two states of an object),
:mod:`.cut_numbers` (numbers that the cluster would cut), and :mod:`.field_conflicts` (the owners of
fields that the cluster keeps). :mod:`.many_clusters` works
on several clusters in order. Two modules send requests: :class:`.apply.ManifestApplication` and
:class:`.operations.WorkloadOperations`.

Every request goes to the cluster through the gate with the caller's credential
(:mod:`management.caller_client`). Nothing is stored.

May import: ``config``, ``management.kubernetes``, ``caller_client``, and ``errors``.
"""
