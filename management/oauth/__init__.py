"""The token endpoint, ``POST /v1/token`` (RFC 6749 §3.2): from a grant to a token of Sekisho's own.

One file for each grant: a command line's code (RFC 7636, RFC 8252), a code typed on another device
(RFC 8628), the renewal of a session, and the exchange of somebody else's token (RFC 8693).
"""
