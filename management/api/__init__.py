"""What the endpoints of the API share.

:class:`.services.Services` has everything that endpoints use; :mod:`.authentication` finds the
caller of a request; :mod:`.access_requirements` checks what the caller holds; :mod:`.listing`,
:mod:`.watch`, :mod:`.document_watch`, :mod:`.idempotency` and :mod:`.preconditions` implement the
common protocol; :mod:`.error_middleware` maps errors to responses. The endpoints are in ``v1``.

May import: ``management.oauth``, ``clusters``, ``authentication``, ``desired_state``, ``identity``,
``kubernetes``, ``authorization`` and ``http``.
"""
