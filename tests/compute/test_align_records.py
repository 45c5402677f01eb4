"""SAM records from hits: whatever the hits are, mates agree about each other and parts about the whole."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselake.catalog.references import Contig, Reference
from baselake.compute.align.inserts import InsertRange, observed_inserts, proper_range
from baselake.compute.align.mapping import Mapper, Scoring
from baselake.compute.align.records import make_records
from baselake.compute.align.rescue import rescue
from baselake.compute.align.templates import Templates
from tests.compute.alignment_rows import tags_of

LENGTH, READ = 2000, 60
BASES = np.random.default_rng(5).choice(np.frombuffer(b"ACGT", np.uint8), (2, LENGTH))
CONTIGS = ("c1", "c2")
MATCH, INSERTION, DELETION = 0, 1, 2


@pytest.fixture(scope="module")
def mapper(tmp_path_factory: pytest.TempPathFactory) -> Mapper:
    fasta = tmp_path_factory.mktemp("reference") / "r.fa"
    fasta.write_bytes(
        b"".join(b">%s\n%s\n" % (n.encode(), b.tobytes()) for n, b in zip(CONTIGS, BASES, strict=True))
    )
    index = "".join(
        f"{name}\t{LENGTH}\t{4 + i * (LENGTH + 5)}\t{LENGTH}\t{LENGTH + 1}\n"
        for i, name in enumerate(CONTIGS)
    )
    fasta.with_name("r.fa.fai").write_text(index)
    contigs = tuple(Contig(name=name, length=LENGTH, md5="", refget="") for name in CONTIGS)
    reference = Reference(name="r", digest="", contigs=contigs, fasta=fasta)
    return Mapper(aligner=None, reference=reference, scoring=Scoring())


def templates_of(reads: list[str], paired: list[bool]) -> Templates:
    firsts = np.cumsum([0, *(2 if pair else 1 for pair in paired)]).astype(np.int32)
    segments = [segment for pair in paired for segment in ((1, 2) if pair else (1,))]
    names = [f"t{i}" for i, pair in enumerate(paired) for _ in range(2 if pair else 1)]
    rows = pa.record_batch(
        {
            "name": names,
            "segment": pa.array(segments, pa.int8()),
            "seq": pa.array(reads),
            "qual": pa.array(["F" * len(read) for read in reads]),
            "tags": pa.array([b"RXZACG\0NMC\x63" for _ in reads], pa.binary()),
            "filtered": [False] * len(reads),
        }
    )
    return Templates(rows=rows, first_rows=firsts)


def hits_of(found: list[tuple[int, dict]]) -> dict[str, np.ndarray]:
    """Hits laid out as Mapper.map does, from (read, values) with cigars as lists of (operation, length)."""
    cigars = [[n << 4 | op for op, n in hit["cigar"]] for _, hit in found]
    return {
        "read": np.array([read for read, _ in found], np.int32),
        **{name: np.array([hit[name] for _, hit in found], np.int32) for name in ("contig", "start", "lead")},
        **{name: np.array([hit[name] for _, hit in found], np.uint8) for name in ("reverse", "mapq")},
        "cigar_offsets": np.cumsum([0, *map(len, cigars)]).astype(np.int64),
        "cigar": np.array([step for cigar in cigars for step in cigar], np.uint32),
    }


hits = st.fixed_dictionaries(
    {
        "contig": st.integers(0, 1),
        "start": st.one_of(st.integers(0, 3), st.integers(0, LENGTH - READ - 10)),
        "lead": st.integers(0, 10),
        "reverse": st.integers(0, 1),
        "mapq": st.integers(0, 60),
        "cigar": st.sampled_from(
            [
                [(MATCH, 50)],
                [(MATCH, 20), (DELETION, 4), (MATCH, 25)],
                [(MATCH, 20), (INSERTION, 3), (MATCH, 25)],
                [(MATCH, 20)],
            ]
        ),
    }
)
reads = st.tuples(st.text("ACGTN", min_size=READ, max_size=READ), st.lists(hits, max_size=3))


@given(drawn=st.lists(st.tuples(reads, st.one_of(st.none(), reads)), min_size=1, max_size=4))
@settings(deadline=None, max_examples=150)
def test_records_of_a_template_agree(mapper: Mapper, drawn: list) -> None:
    flat = [read for template in drawn for read in template if read is not None]
    templates = templates_of([seq for seq, _ in flat], [second is not None for _, second in drawn])
    found = hits_of([(row, hit) for row, (_, hits) in enumerate(flat) for hit in hits])
    rows = make_records(mapper, templates, found, InsertRange(low=1, high=500), 7, 0).to_pylist()

    by_template: dict[int, list[dict]] = {}
    for row in rows:
        by_template.setdefault(row["template"] - 7, []).append(row)
    for number, (_, second) in enumerate(drawn):
        records = by_template[number]
        primaries = [row for row in records if not row["flag"] & 0x800]
        assert len(primaries) == (1 if second is None else 2)
        for row in records:
            check_one(row, primaries)
        if second is None:
            assert all(row["flag"] & 0xEB == 0 for row in records)
        else:
            check_mates(*primaries)


def check_one(row: dict, primaries: list[dict]) -> None:
    tags = {tag: value for tag, _, value in tags_of(row["tags"])}
    assert tags["RX"] == "ACG"  # what a read came with stays, but what was said of an earlier alignment
    if row["flag"] & 0x4:
        assert row["cigar"] is None
        assert row["mapq"] == 0
        assert "NM" not in tags
    else:
        assert row["end"] > row["start"]
    mine = next(p for p in primaries if p["flag"] & 0xC0 == row["flag"] & 0xC0)
    assert row["tlen"] == mine["tlen"]
    assert len(row["seq"]) == len(row["qual"])


def check_mates(first: dict, second: dict) -> None:
    assert first["flag"] & 0xC1 == 0x41
    assert second["flag"] & 0xC1 == 0x81
    assert first["flag"] & 0x2 == second["flag"] & 0x2
    assert first["tlen"] == -second["tlen"]
    for mine, mate in ((first, second), (second, first)):
        tags = {tag: value for tag, _, value in tags_of(mine["tags"])}
        assert bool(mine["flag"] & 0x8) == bool(mate["flag"] & 0x4)
        assert bool(mine["flag"] & 0x20) == bool(mate["flag"] & 0x10)
        assert (None if mine["next_contig"] is None else CONTIGS[mine["next_contig"]]) == mate["contig"]
        assert mine["next_start"] == mate["start"]
        assert tags.get("MC") == mate["cigar"]
        assert ("MQ" in tags) == (mate["cigar"] is not None)
    if first["flag"] & 0x4 or second["flag"] & 0x4:
        assert first["contig"] == second["contig"]  # an unmapped read stands beside its mate
        assert first["start"] == second["start"]
        assert first["tlen"] == 0
    elif first["contig"] == second["contig"]:
        assert abs(first["tlen"]) == max(first["end"], second["end"]) - min(first["start"], second["start"])


def text(contig: int, start: int, length: int) -> str:
    return BASES[contig, start : start + length].tobytes().decode()


def turned(bases: str) -> str:
    return bases[::-1].translate(str.maketrans("ACGT", "TGCA"))


@pytest.mark.parametrize("anchor_reverse", [0, 1])
def test_an_unmapped_mate_is_found_where_the_library_puts_it(mapper: Mapper, anchor_reverse: int) -> None:
    mate = text(0, 700, 20) + text(0, 724, 40)  # 4 bases lost
    start, seq = (900, turned(text(0, 900, READ))) if anchor_reverse else (500, text(0, 500, READ))
    templates = templates_of([seq, mate if anchor_reverse else turned(mate)], [True])
    anchor = {
        "contig": 0,
        "start": start,
        "lead": 0,
        "reverse": anchor_reverse,
        "mapq": 60,
        "cigar": [(MATCH, READ)],
    }
    found = rescue(mapper, templates, hits_of([(0, anchor)]), InsertRange(low=1, high=400))
    assert found["read"].tolist() == [0, 1]
    assert found["start"].tolist() == [start, 700]
    assert found["reverse"].tolist() == [anchor_reverse, 1 - anchor_reverse]
    rows = make_records(mapper, templates, found, InsertRange(low=1, high=400), 0, 0).to_pylist()
    assert rows[1]["cigar"] == "20M4D40M"
    assert rows[0]["flag"] & rows[1]["flag"] & 0x2


def test_a_foreign_mate_and_one_too_far_stay_unmapped(mapper: Mapper) -> None:
    anchor = {"contig": 0, "start": 500, "lead": 0, "reverse": 0, "mapq": 60, "cigar": [(MATCH, READ)]}
    for mate in (turned(text(1, 700, READ)), turned(text(0, 1500, READ))):
        templates = templates_of([text(0, 500, READ), mate], [True])
        found = rescue(mapper, templates, hits_of([(0, anchor)]), InsertRange(low=1, high=400))
        assert found["read"].tolist() == [0]


def test_insert_sizes_are_learnt_from_sure_pairs(mapper: Mapper) -> None:
    draw = np.random.default_rng(2)
    sizes = draw.normal(300, 20, 400).astype(int)
    found = []
    for i, size in enumerate(sizes):
        a = {"contig": 0, "start": 100, "lead": 0, "reverse": 0, "mapq": 60, "cigar": [(MATCH, READ)]}
        b = a | {"start": 100 + int(size) - READ, "reverse": 1, "mapq": 0 if i % 4 == 0 else 60}
        found += [(2 * i, a), (2 * i + 1, b)]
    firsts = np.arange(0, 2 * len(sizes) + 1, 2, dtype=np.int32)
    observed = observed_inserts(hits_of(found), firsts)
    assert sorted(observed) == sorted(size for i, size in enumerate(sizes) if i % 4)
    learnt = proper_range([observed])
    assert 180 < learnt.low < 240
    assert 360 < learnt.high < 420


def test_too_few_pairs_teach_nothing() -> None:
    assert proper_range([]) == InsertRange(low=1, high=800)
