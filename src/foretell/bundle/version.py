"""A bundle's version: the same for all who import the same files."""

import hashlib

import msgspec

from foretell.bundle.golden import Golden
from foretell.bundle.manifest import FileEntry, Meaning
from foretell.bundle.parse import VERSION_DIGITS


def content_version(meaning: Meaning, model: FileEntry, golden: Golden) -> str:
    """12 hexadecimal digits of the network, its meaning and the windows that prove it.

    The golden answers are left out: two machines may evaluate the source with other last bits.
    """
    facts = {name: getattr(meaning, name) for name in Meaning.__struct_fields__}
    digest = hashlib.sha256()
    for part in (
        msgspec.json.encode(facts, order="deterministic"),
        model.sha256.encode(),
        golden.windows.astype("<f4").tobytes(),
    ):
        digest.update(len(part).to_bytes(8, "little") + part)
    return digest.hexdigest()[:VERSION_DIGITS]
