"""A bundle's version: the same for all who import the same files."""

import hashlib

import msgspec

from foretell.bundle.manifest import Meaning

DIGITS = 12


def content_version(meaning: Meaning, network_sha256: str, golden_windows: bytes) -> str:
    """12 hexadecimal digits of the network, its meaning and the windows that prove it.

    The golden answers are left out: two machines may evaluate the source with other last bits.
    """
    digest = hashlib.sha256()
    facts = {name: getattr(meaning, name) for name in Meaning.__struct_fields__}
    for part in (msgspec.json.encode(facts, order="deterministic"), network_sha256.encode(), golden_windows):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:DIGITS]
