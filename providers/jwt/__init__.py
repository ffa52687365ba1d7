"""JSON Web Tokens: unverified parts, signing keys, validation, and rules on claims.

May import: ``providers.base``; ``config``.
"""
