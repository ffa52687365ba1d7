"""An HTTP client with limits for servers that are not trusted, cached values, safe URLs.

Only :mod:`.response_body` opens client sessions and reads responses. May import:
``providers.network``, ``settings``, ``base``.
"""
