"""The API server: thin endpoints below ``/v1`` and what keeps downstream clusters in step."""
