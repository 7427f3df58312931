"""Certificates for development: an authority of their own, and one server certificate from it.

The authority's private key is forgotten as soon as it has signed, so that a bundle that somebody trusts
cannot be made to vouch for anything else.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from hearthkms.core.secret import Secret

_BEFORE = timedelta(hours=1)
"""How far a client's clock may be behind."""


@dataclass(frozen=True, slots=True)
class ServerChain:
    """An authority's certificate, a server certificate under it, and the server's private key, all in PEM."""

    authority: bytes
    certificate: bytes
    key: Secret


def issue_server_chain(hosts: Sequence[str], *, now: float, days: int) -> ServerChain:
    """A fresh P-256 authority and a server certificate for `hosts` (DNS names and IP addresses).

    Both are valid from an hour before `now` (seconds since the epoch) for `days` days. RFC 5280.
    """
    authority_key = ec.generate_private_key(ec.SECP256R1())
    server_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = _name("HearthKMS development authority")
    authority_id = x509.SubjectKeyIdentifier.from_public_key(authority_key.public_key())
    authority = (
        _certificate(authority_name, authority_name, authority_key.public_key(), now, days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(authority_id, critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    server = (
        _certificate(
            _name("HearthKMS development server"), authority_name, server_key.public_key(), now, days
        )
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_subject(host) for host in hosts]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(server_key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(authority_id), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key = server_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return ServerChain(authority.public_bytes(pem), server.public_bytes(pem), Secret(key))


def serves(chain: ServerChain, hosts: Sequence[str], *, now: float) -> bool:
    """Whether the parts of `chain` belong together, and clients would accept it for all `hosts` at `now`."""
    try:
        authority = x509.load_pem_x509_certificate(chain.authority)
        certificate = x509.load_pem_x509_certificate(chain.certificate)
        key = serialization.load_pem_private_key(chain.key.reveal(), password=None)
        if certificate.public_key() != key.public_key():
            return False
        policy = PolicyBuilder().store(Store([authority])).time(datetime.fromtimestamp(now, UTC))
        for host in hosts:
            policy.build_server_verifier(_subject(host)).verify(certificate, [])
    except (ValueError, TypeError, UnsupportedAlgorithm, VerificationError):
        return False
    return True


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: float, days: int
) -> x509.CertificateBuilder:
    begin = datetime.fromtimestamp(int(now), UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin - _BEFORE)
        .not_valid_after(begin + timedelta(days=days))
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _subject(host: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host.encode("idna").decode("ascii"))


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )
