"""Rate limits, concurrency limits, limits of connections, and overload control. Pure.

Main classes: ``Limiter`` and ``OverloadController``. May import: ``config``, ``management`` (client
addresses and the limits of the API). Nothing else of ``proxy``.
"""
