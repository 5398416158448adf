"""Certificates of one's own making, by OpenSSL."""

import subprocess
from pathlib import Path


class Pems:
    """Certificates of one's own making.

    Attributes:
        certificate, key: a pair for localhost. other_key, encrypted: are no key of it that could be used.
        expired: a certificate of the same key.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.certificate, self.key = self.make("good")
        _, self.other_key = self.make("other")
        self.encrypted, self.expired = folder / "encrypted.pem", folder / "expired.pem"
        self._openssl("pkey", "-in", self.key, "-aes256", "-passout", "pass:x", "-out", self.encrypted)
        again = ("-in", self.certificate, "-signkey", self.key)
        self._openssl("x509", *again, "-days", "-1", "-out", self.expired)

    def make(self, name: str, names: str = "DNS:localhost,IP:127.0.0.1") -> tuple[Path, Path]:
        """A certificate for these names, signed by itself, and its key."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}-key.pem"
        new = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
        who = ("-subj", "/CN=localhost", "-addext", f"subjectAltName={names}")
        self._openssl("req", "-x509", *new, *who, "-keyout", key, "-out", certificate)
        return certificate, key

    def _openssl(self, *arguments: str | Path) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True)
