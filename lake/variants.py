"""How alleles and filters are named."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pyarrow as pa

FILTERS: Mapping[str, str] = MappingProxyType(
    {
        "low_qual": "QUAL is under 10: one chance in ten or more that there is no variant",
        "strand_bias": "the alternate keeps to one strand: Fisher's exact test, p < 1e-6",
        "allele_balance": "too few fragments carry the alternate for one copy of it: beta-binomial p < 1e-5",
        "low_mapping_quality": "root mean square mapping quality is under 30",
        "read_position": "the alternate keeps to read ends: rank-sum z < -6",
        "low_base_quality": "the alternate has the worse base qualities: rank-sum z < -6",
        "unexplained_reads": "a fifth of the reads and more than speak for the alternates fit no haplotype",
        "possible_numt": "no more fragments than nuclear copies would give, by the depth of the autosomes",
        "artifact_prone_site": "a place of the mitochondrion where alignments go wrong in everybody",
    }
)
"""Filters the caller sets, in the order of its native bits, and the descriptions VCF headers give. PASS: none."""


def variant_types(ref: pa.Array, alt: pa.Array) -> pa.Array:
    """snv, mnv, insertion, deletion or complex, of n normalised allele pairs.

    Args:
        ref: reference alleles as VCF spells them, `string`, none empty.
        alt: alternates, likewise.

    Returns:
        n words. An insertion or deletion has one anchor base; what else changes the length is complex.
    """
    (ref_length, ref_first), (alt_length, alt_first) = _lengths_and_firsts(ref), _lengths_and_firsts(alt)
    anchored = ref_first == alt_first
    kinds = np.select(
        [
            ref_length == alt_length,
            anchored & (ref_length == 1),
            anchored & (alt_length == 1),
        ],
        [np.where(ref_length == 1, "snv", "mnv"), "insertion", "deletion"],
        "complex",
    )
    return pa.array(kinds, pa.string())


def _lengths_and_firsts(alleles: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    _, offsets, data = alleles.buffers()
    ends = np.frombuffer(offsets, np.int32)[alleles.offset : alleles.offset + len(alleles) + 1]
    return np.diff(ends), np.frombuffer(data, np.uint8)[ends[:-1]]
