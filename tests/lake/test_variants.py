"""What kind of change a normalised pair of alleles is."""

import pyarrow as pa

from baselake.lake.variants import variant_types

PAIRS = {
    ("A", "C"): "snv",
    ("AC", "GT"): "mnv",
    ("A", "ACC"): "insertion",
    ("ACC", "A"): "deletion",
    ("T", "AAAC"): "complex",
    ("TT", "A"): "complex",
    ("ACA", "AGGT"): "complex",
}


def test_every_kind_is_told() -> None:
    ref, alt = (pa.array(alleles) for alleles in zip(*PAIRS, strict=True))
    assert variant_types(ref, alt).to_pylist() == list(PAIRS.values())
    assert variant_types(ref.slice(2), alt.slice(2)).to_pylist() == list(PAIRS.values())[2:]


def test_no_pair_is_no_kind() -> None:
    none = pa.array([], pa.string())
    assert variant_types(none, none).to_pylist() == []
