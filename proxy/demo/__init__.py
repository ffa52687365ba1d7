"""A small Kubernetes on this machine, for ``sekisho demo`` and for tests.

:mod:`~proxy.demo.binaries` finds the programs, :mod:`~proxy.demo.local_cluster` runs a cluster of
them, and :mod:`~proxy.demo.fake_kubelet` adds a node on which ``kubectl exec`` and ``logs`` work,
although there are no containers. None of this is for clusters in use.
"""
