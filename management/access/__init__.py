"""Answers to "who can?", "what may they do?" and "why not?", with the chain of each permission.

:class:`.question.AccessQuestion` is one request that could be sent to a cluster.
:mod:`.rbac_objects` are a cluster's roles and bindings, which :class:`.rbac_reader.RbacReader`
reads; :mod:`.evaluation` evaluates them as the API server does. :mod:`.origins` finds the bindings
of Sekisho behind those of the cluster, and :mod:`.people` the users behind their subjects.
:class:`.chains.Chain` is one path from a person to a rule; :mod:`.picture` draws chains.

:mod:`.explanation` says why a request was refused, :mod:`.smallest_role` which role would allow it.

All modules are pure except ``rbac_reader``, ``who_can``, ``user_access`` and ``why``, which read.
May import: ``authorization``, ``desired_state``, ``kubernetes``, store records.
"""
