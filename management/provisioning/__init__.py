"""Clusters made to order by Cluster API, the *engine*, in a *management cluster*.

An *order* is a cluster that a user wants. Its *class* (ClusterClass) and the classes' templates
belong to the operators of the management cluster. Sekisho writes one kind of object there:
``Cluster`` with ``spec.topology``.

:mod:`.engine` turns an order into that object, :mod:`.observed` reads what the engine reports, and
:mod:`.states` turns both into the state that users see; all three are pure.

:mod:`.orders` checks and stores orders: against their class (:mod:`.classes`), by a dry run in the
engine, and against the limits (:mod:`.quotas`).

May import: ``management.controllers``, ``clusters``, ``identity``, ``kubernetes``,
``authorization``, ``errors``, ``backoff``.
"""
