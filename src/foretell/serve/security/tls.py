"""The lane's certificate and key: read, and looked at as clients will."""

import ssl
from pathlib import Path

import grpc

from foretell.config import SecuritySettings
from foretell.errors import ConfigError

_PEM_CURE = "it begins with a line `-----BEGIN …-----`; tls_certificate and tls_key are two files"
_FLIGHTS = 3  # to and fro in a handshake; TLS 1.3 wants two


def tls_context(security: SecuritySettings) -> ssl.SSLContext | None:
    """For the lane; `None` where neither certificate nor key is set.

    Raises:
        ConfigError: one without the other, not readable, not PEM, encrypted, or not a pair; names the file.
    """
    certificate, key = security.tls_certificate, security.tls_key
    if certificate is None and key is None:
        return None
    if certificate is None or key is None:
        raise ConfigError(
            "TLS wants both serve.security.tls_certificate and tls_key, and one is missing",
            cure="name both PEM files, or neither",
        )
    for file in (certificate, key):
        _readable(file)
    if not _holds_certificate(certificate):
        raise ConfigError(f"{certificate}: no certificate in PEM form", cure=_PEM_CURE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (ssl.SSLError, ValueError) as error:
        raise _unusable(certificate, key, error) from None
    return context


def _readable(file: Path) -> None:
    try:
        file.open("rb").close()
    except OSError as error:
        raise ConfigError(f"{file}: {error.strerror}", cure="the server must be able to read it") from None


def _holds_certificate(file: Path) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except ssl.SSLError:
        return False
    return True


def _no_password() -> str:
    """Without this OpenSSL would ask on the terminal, and a server that starts by itself would hang."""
    raise ValueError("encrypted")


def _unusable(certificate: Path, key: Path, error: Exception) -> ConfigError:
    if str(error) == "encrypted":
        return ConfigError(
            f"{key}: the key is encrypted, and nobody is there to type its password",
            cure="decrypt it: openssl pkey -in KEY -out PLAIN, and chmod 600 PLAIN",
        )
    reason = error.reason if isinstance(error, ssl.SSLError) else None
    if reason == "KEY_VALUES_MISMATCH":
        return ConfigError(
            f"{certificate}, {key}: certificate and key do not belong together",
            cure="compare `openssl x509 -noout -pubkey -in CERTIFICATE` with `openssl pkey -pubout -in KEY`",
        )
    if reason and reason.endswith("TOO_SMALL"):
        return ConfigError(f"{certificate}: its key is too short to be safe", cure="make a longer one")
    return ConfigError(f"{key}: no private key in PEM form", cure=_PEM_CURE)


def grpc_credentials(security: SecuritySettings) -> grpc.ServerCredentials | None:
    """The same pair for gRPC. Made after `tls_context`, which says what is wrong with it."""
    if security.tls_certificate is None or security.tls_key is None:
        return None
    return grpc.ssl_server_credentials(
        [(security.tls_key.read_bytes(), security.tls_certificate.read_bytes())]
    )


def certificate_names(context: ssl.SSLContext, certificate: Path) -> list[str]:
    """Names and addresses that the certificate is for, found out by a handshake without a socket.

    Args:
        context: the server's, with the certificate loaded.

    Raises:
        ConfigError: clients would refuse it: expired, not valid yet, or not meant for servers.
    """
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname = False
    trusting.load_verify_locations(certificate)
    trusting.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN  # it is trusted itself, whoever signed it
    try:
        told = _shown(context, trusting)
    except ssl.SSLCertVerificationError as error:
        raise ConfigError(
            f"{certificate}: {error.verify_message}, and clients would refuse it",
            cure="see its dates and its use: openssl x509 -noout -text -in CERTIFICATE",
        ) from None
    return [str(name) for kind, name in told.get("subjectAltName", ()) if kind in {"DNS", "IP Address"}]


def _shown(
    server_side: ssl.SSLContext, client_side: ssl.SSLContext
) -> dict[str, tuple[tuple[str, str], ...]]:
    """The certificate as the client gets to see it."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = server_side.wrap_bio(to_server, to_client, server_side=True)
    client = client_side.wrap_bio(to_client, to_server)
    for _ in range(_FLIGHTS):
        for end in (client, server):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return client.getpeercert() or {}  # type: ignore[return-value]  # of this shape, says the ssl module
