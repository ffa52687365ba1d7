"""An issuer's public keys, and the verification of signatures."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, OKPKey, RSAKey

from providers.base import Rejected
from providers.jwt.unverified import MAX_ID_TOKEN_BYTES

MAX_KEYS = 100
MIN_RSA_BITS = 2048
ALGORITHMS = (
    *("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    *("ES256", "ES384", "ES512", "EdDSA", "Ed25519"),
)
"""Public-key signatures only: with HMAC, a public key would be the secret (RFC 8725 §2.1)."""

_Public = RSAKey | ECKey | OKPKey
_FAMILIES: Mapping[str, type[_Public]] = {"RS": RSAKey, "PS": RSAKey, "ES": ECKey, "Ed": OKPKey}


class _Registry(jws.JWSRegistry):
    """A registry that accepts unknown header parameters, except critical ones (``crit``)."""

    max_header_length = 4096
    max_payload_length = MAX_ID_TOKEN_BYTES


class SigningKeys:
    """The signature keys of one JWK Set (RFC 7517 §5). Other keys are ignored."""

    def __init__(self, keys: Iterable[Any]) -> None:
        found = (_signing_key(one) for one in list(keys)[:MAX_KEYS])
        self._keys: Sequence[tuple[Mapping[str, Any], _Public]] = [one for one in found if one]

    def __len__(self) -> int:
        return len(self._keys)

    def knows(self, header: Mapping[str, Any]) -> bool:
        """Return whether a token with that header may be signed by one of the keys."""
        return bool(self._candidates(header))

    def verify(
        self, bearer: str, header: Mapping[str, Any], algorithms: Iterable[str]
    ) -> Rejected | None:
        """Return why the signature of ``bearer`` is not valid, or None if it is."""
        algorithm = header.get("alg")
        allowed = set(algorithms).intersection(ALGORITHMS)
        if not isinstance(algorithm, str) or algorithm not in allowed:
            return Rejected("algorithm_refused")
        if "crit" in header:
            return Rejected("critical_header")
        candidates = self._candidates(header)
        if not candidates:
            return Rejected("unknown_key")
        registry = _Registry(algorithms=[algorithm], strict_check_header=False)
        for key in candidates:
            try:
                jws.deserialize_compact(bearer, key, registry=registry)
            except (JoseError, ValueError, TypeError):
                continue
            return None
        return Rejected("bad_signature")

    def _candidates(self, header: Mapping[str, Any]) -> list[_Public]:
        algorithm, kid = header.get("alg"), header.get("kid")
        family = _FAMILIES.get(algorithm[:2]) if isinstance(algorithm, str) else None
        if family is None:
            return []
        return [
            key
            for jwk, key in self._keys
            if isinstance(key, family)
            and (kid is None or jwk.get("kid") == kid)
            and jwk.get("alg") in {None, algorithm}
        ]


def _signing_key(jwk: Any) -> tuple[Mapping[str, Any], _Public] | None:
    if not isinstance(jwk, dict) or jwk.get("use") not in {None, "sig"}:
        return None
    if not isinstance(jwk.get("kid"), str | None) or not isinstance(jwk.get("alg"), str | None):
        return None
    try:
        key = JWKRegistry.import_key({k: v for k, v in jwk.items() if k not in {"key_ops", "use"}})
        if isinstance(key, RSAKey) and key.public_key.key_size < MIN_RSA_BITS:
            return None
    except (JoseError, ValueError, TypeError, KeyError):
        return None
    return (jwk, key) if isinstance(key, RSAKey | ECKey | OKPKey) else None
