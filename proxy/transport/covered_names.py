"""Whether a certificate covers a host, as clients decide (RFC 9525). Pure."""

import ipaddress

from cryptography import x509


def covers(certificate: x509.Certificate, host: str) -> bool:
    """Return whether clients accept the certificate for ``host``, as far as names matter.

    A wildcard counts for one label, the first one. The common name never counts.
    """
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return False
    try:
        return ipaddress.ip_address(host) in names.get_values_for_type(x509.IPAddress)
    except ValueError:
        wanted = host.lower().rstrip(".")
    offered = {one.lower() for one in names.get_values_for_type(x509.DNSName)}
    return wanted in offered or f"*.{wanted.partition('.')[2]}" in offered
