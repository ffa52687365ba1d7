"""Parts of several providers' settings: certificates, and the effects of a change.

May import: ``config``.
"""
