"""The objects that a cluster must contain, and the changes that make it contain them.

:mod:`.snapshot` reads what the store says about a cluster. Pure functions make the objects from it:
:mod:`.installation` (what an import creates), :mod:`.cluster_rbac`, :mod:`.namespace_objects`,
:mod:`.label_policy` and :mod:`.user_service_accounts`. :func:`.diff.diff` compares them with the
observed objects. Two modules do I/O: :mod:`.apply` writes changes, and :mod:`.sync` reconciles once
while a caller waits.

May import: ``management.kubernetes``, ``authorization``, ``impersonation``, and the store's
records.
"""
