"""The management API, sign-in, and the controllers that keep clusters in sync with the store.

:func:`management.app.build_app` builds the web application. The packages, from top to bottom:
``web``, ``api``, ``controllers`` and ``oauth``, ``clusters``, ``desired_state`` and
``authentication``, ``identity`` and ``kubernetes``, ``authorization`` and ``http``. May import:
``providers``, ``store``, ``impersonation`` and ``config``; never ``proxy``.
"""
