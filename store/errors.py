"""Errors that the store raises. Their messages are for operators."""

from config.errors import UserError


class StoreError(UserError):
    """The base class of the store's errors. Messages are for operators."""


class StoreUnavailable(StoreError):
    """The database is unreachable, locked or read-only. Retry, or repair it."""


class SchemaTooNew(StoreError):
    """The database has the schema of a newer version of Sekisho."""


class SchemaTooOld(StoreError):
    """The database needs ``sekisho admin db upgrade`` for this version of Sekisho."""


class KeyMismatch(StoreError):
    """No configured encryption key decrypts the stored data."""


class Conflict(StoreError):
    """A record with that name or key exists already."""


class RecordNotFound(StoreError):
    """The record does not exist."""


class ParentGone(RecordNotFound):
    """The parent of a new token was revoked."""


class StaleRevision(StoreError):
    """The record was changed after it was read."""


class InUse(StoreError):
    """Another record depends on the record."""


class LastAdministrator(StoreError):
    """The change would leave Sekisho without an enabled administrator."""


class TooManyAgentTokens(StoreError):
    """The cluster has as many valid agent tokens as it may have: revoke one first."""


class QuotaExceeded(StoreError):
    """An order exceeds a limit. ``limit`` is the limit's field in :class:`OrderLimits`, or
    ``class`` for that of a class.
    """

    def __init__(self, limit: str, message: str) -> None:
        super().__init__(message)
        self.limit = limit
