"""The response to a client: status objects, header block, and the relay with flow control.

Main classes: ``ResponseRelay`` relays one response; ``StatusError`` is an error with its Kubernetes
``Status``. May import: ``proxy.limits`` (the error of a full budget). Nothing else of ``proxy``.
"""
