"""A real, small Kubernetes on this machine: what ``sekisho demo`` guards, and the tests too.

:mod:`~proxy.demo.assets` finds the programs, :mod:`~proxy.demo.downstream` runs a cluster of them,
and :mod:`~proxy.demo.kubelet` gives it a node on which ``kubectl exec``, ``logs`` and the like
work, though there are no containers. Nothing here is meant for clusters that anyone depends on.
"""
