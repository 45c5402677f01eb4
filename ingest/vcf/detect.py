"""Whether a file is VCF or BCF, by its first bytes; apart, since it is asked of every file that is imported."""

from pathlib import Path

from baselake.errors import InputError
from baselake.ingest.compressed import decompressed

VCF_MAGIC = b"##fileformat=VCF"
BCF_MAGIC = b"BCF\x02"


def is_vcf(path: Path) -> bool:
    """Whether a file, plain or compressed, begins as VCF or BCF does.

    False as well for what cannot be read: its own reader says what is wrong.
    """
    try:
        start = next(decompressed(path, len(VCF_MAGIC)), b"")
    except (InputError, OSError):
        return False
    return start.startswith((VCF_MAGIC, BCF_MAGIC))
