"""Calling samples of a lake: what is written, when it is skipped, and what is refused."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from baselake.catalog.catalog import Catalog, connect
from baselake.catalog.references import add_reference, open_reference
from baselake.compute import call
from baselake.compute.call import _MAX_WINDOW, _cuts, _read_together, _Window, call_samples
from baselake.compute.pileup import DEFAULT_PARAMETERS, reference
from baselake.config import Config
from baselake.errors import ConflictError, NotFoundError
from baselake.lake.region import Region
from baselake.lake.schema import ALIGNMENTS
from baselake.progress import QuietProgress
from tests.compute.reads import as_table, random_contig, reads_with

CONTIGS = {"chr1": random_contig(30_000, 1), "chrX": random_contig(4000, 2), "chrM": random_contig(4000, 3)}
SITES = {"chr1": (5_000, 14_999, 15_200, 25_000), "chrX": (2_000,), "chrM": (2_000,)}


@dataclass
class Notes(QuietProgress):
    """Keeps what it is told."""

    said: list[str] = field(default_factory=list)

    def note(self, message: str) -> None:
        self.said.append(message)


def other(base: str) -> str:
    return "ACGT"["ACGT".index(base) - 1]


def sample_reads(contig: str, sites: Sequence[int]) -> list[reference.Alignment]:
    """20 reads of a chromosome without and 20 of one with a substitution, around each site."""
    bases, reads = CONTIGS[contig], []
    for site in sites:
        starts = range(site - 90, site - 10, 4)
        changes = [(site, 1, other(bases[site]))]
        reads += reads_with(bases, [], starts=starts, label=f"r{site}-")
        reads += reads_with(bases, changes, starts=starts, label=f"a{site}-")
    return reads


def write_alignments(catalog: Catalog, sample: str, contig: str, reads: list[reference.Alignment]) -> None:
    rows = as_table(sorted(reads, key=lambda read: read.start))
    n = rows.num_rows
    columns = dict(zip(rows.column_names, rows.columns, strict=True)) | {
        "reference": pa.repeat("tiny", n),
        "sample_id": pa.repeat(sample, n),
        "contig": pa.repeat(contig, n),
        "end": pa.array(
            [read.start + len(read.seq) for read in sorted(reads, key=lambda r: r.start)], pa.int32()
        ),
    }
    table = pa.table(
        [
            columns.get(name, pa.nulls(n, ALIGNMENTS.schema.field(name).type))
            for name in ALIGNMENTS.schema.names
        ],
        ALIGNMENTS.schema.names,
    )
    with catalog.job("align", {"sample": sample}) as job:
        with job.writer("alignments", {"reference": "tiny", "sample_id": sample, "contig": contig}) as out:
            out.write(table)
        with job.commit():
            pass


def add_sample(catalog: Catalog, sample: str, sex: str | None) -> None:
    with catalog.job("ingest") as job, job.commit() as tx:
        tx.insert("samples", pa.table({"sample_id": [sample], "sex": pa.array([sex], pa.string())}))


@pytest.fixture
def sampled(catalog: Catalog, tmp_path: Path) -> Catalog:
    """A lake with a male sample S1 aligned to three contigs."""
    fasta = tmp_path / "tiny.fa"
    fasta.write_text("".join(f">{name}\n{bases}\n" for name, bases in CONTIGS.items()))
    add_reference(catalog, fasta, "tiny")
    add_sample(catalog, "S1", "male")
    for contig, sites in SITES.items():
        write_alignments(catalog, "S1", contig, sample_reads(contig, sites))
    return catalog


def called(catalog: Catalog) -> list[tuple[str, int, str]]:
    sql = "SELECT contig, start, gt FROM genotypes WHERE len(filters) = 0 ORDER BY ALL"
    return [(r["contig"], r["start"], r["gt"]) for r in catalog.query(sql).to_pylist()]


CHR1 = [("chr1", site, "0/1") for site in SITES["chr1"]]


def test_genotypes_and_variants_of_a_sample(sampled: Catalog) -> None:
    call_samples(sampled, ["S1"], open_reference(sampled, "tiny"))
    rows = sampled.query(
        "SELECT * FROM genotypes JOIN variants USING (reference, variant_id, contig, start)"
    ).to_pylist()
    first = min((row for row in rows if row["contig"] == "chr1"), key=lambda row: row["start"])
    ref = CONTIGS["chr1"][5000]
    assert first["variant_id"] == f"chr1-5001-{ref}-{other(ref)}"
    assert (first["ref"], first["alt"], first["type"], first["end"]) == (ref, other(ref), "snv", 5001)
    assert (first["sample_id"], first["gt"], first["alt_copies"], first["allele_index"]) == (
        "S1",
        "0/1",
        1,
        1,
    )
    assert first["site_pl"] is None
    assert first["filters"] == []
    (lineage,) = sampled.query("SELECT * FROM lineage WHERE operation = 'call'").to_pylist()
    assert len(lineage["inputs"]) == 3


def test_x_of_a_male_is_haploid_and_alleles_of_a_mitochondrion_have_fractions(sampled: Catalog) -> None:
    call_samples(sampled, ["S1"], open_reference(sampled))
    sql = "SELECT contig, gt, len(pl) AS pls, round(af, 2) AS af FROM genotypes WHERE contig <> 'chr1'"
    rows = {row.pop("contig"): row for row in sampled.query(sql).to_pylist()}
    # Half of the reads have the alternate: on one copy that is no call.
    assert rows.get("chrX", {"gt": "1", "pls": 2, "af": None}) == {"gt": "1", "pls": 2, "af": None}
    assert rows["chrM"] == {"gt": "0/1", "pls": None, "af": 0.5}
    blocks = sampled.query("SELECT DISTINCT ploidy FROM reference_blocks WHERE contig = 'chrM'").to_pylist()
    assert blocks == [{"ploidy": 1}]
    assert [row for row in called(sampled) if row[0] == "chr1"] == CHR1


def test_few_alternates_beside_deep_autosomes_may_be_nuclear(sampled: Catalog) -> None:
    """20 fragments of the mitochondrion show the alternate; the depth of the autosomes tells whether that is few."""
    call_samples(sampled, ["S1"], open_reference(sampled))
    filters = "SELECT filters FROM genotypes WHERE contig = 'chrM' AND sample_id = ?"
    assert sampled.query(filters, ["S1"])["filters"].to_pylist() == [[]]
    add_sample(sampled, "S2", "male")
    # 50-fold, in one of two stretches: the other has no reads and does not count.
    deep = reads_with(CONTIGS["chr1"], [], starts=range(0, 16_384, 2), label="d")
    write_alignments(sampled, "S2", "chr1", deep)
    write_alignments(sampled, "S2", "chrM", sample_reads("chrM", SITES["chrM"]))
    call_samples(sampled, ["S2"], open_reference(sampled))
    assert sampled.query(filters, ["S2"])["filters"].to_pylist() == [["possible_numt"]]


def test_unknown_sex_is_called_diploid_and_told(sampled: Catalog) -> None:
    add_sample(sampled, "S2", None)
    write_alignments(sampled, "S2", "chrX", sample_reads("chrX", SITES["chrX"]))
    notes = Notes()
    call_samples(sampled, ["S2"], open_reference(sampled, "tiny"), progress=notes)
    assert called(sampled) == [("chrX", 2000, "0/1")]
    assert "the sex of S2 is not known" in notes.said[0]


def test_a_second_sample_shares_the_variant(sampled: Catalog) -> None:
    add_sample(sampled, "S2", "female")
    write_alignments(sampled, "S2", "chr1", sample_reads("chr1", SITES["chr1"][:1]))
    call_samples(sampled, ["S1", "S2"], open_reference(sampled, "tiny"))
    assert sampled.query("SELECT count(*) AS n FROM variants WHERE contig = 'chr1'")["n"].to_pylist() == [4]
    assert sampled.query("SELECT count(*) AS n FROM genotypes WHERE contig = 'chr1'")["n"].to_pylist() == [5]


def test_a_sample_called_already_is_left_as_it_is(sampled: Catalog) -> None:
    notes = Notes()
    call_samples(sampled, ["S1"], open_reference(sampled, "tiny"), progress=notes)
    assert notes.said.pop().startswith("S1 may vary at 6 places: base qualities settle 100.0%")
    before = sampled.query("SELECT * FROM genotypes ORDER BY ALL")
    call_samples(sampled, ["S1"], open_reference(sampled, "tiny"), progress=notes)
    call_samples(
        sampled, ["S1"], open_reference(sampled, "tiny"), region=Region("chr1", 10, 20_000), progress=notes
    )
    assert notes.said == ["S1 is called already on tiny", "S1 is called already on tiny in chr1:11-20000"]
    assert sampled.query("SELECT * FROM genotypes ORDER BY ALL").equals(before)
    assert sampled.query("SELECT count(*) AS n FROM lineage WHERE operation = 'call'")["n"].to_pylist() == [1]


def test_new_alignments_replace_the_genotypes(sampled: Catalog) -> None:
    call_samples(sampled, ["S1"], open_reference(sampled, "tiny"))
    write_alignments(sampled, "S1", "chr1", sample_reads("chr1", [20_000]))
    call_samples(sampled, ["S1"], open_reference(sampled, "tiny"))
    assert [row for row in called(sampled) if row[0] == "chr1"] == sorted([*CHR1, ("chr1", 20_000, "0/1")])


def test_alignments_that_change_meanwhile_are_not_half_called(
    sampled: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as meanwhile:

        def write(*arguments: Any) -> tuple[dict[str, pa.Table], tuple[int, int, int]]:
            written = write_calls(*arguments)
            write_alignments(sampled, "S1", "chr1", sample_reads("chr1", [20_000]))
            return written

        write_calls = call._write_calls
        meanwhile.setattr(call, "_write_calls", write)
        with pytest.raises(
            ConflictError, match="alignments of sample S1 were changed while it was being called"
        ):
            call_samples(sampled, ["S1"], open_reference(sampled, "tiny"))
    assert called(sampled) == []
    call_samples(sampled, ["S1"], open_reference(sampled, "tiny"))
    assert ("chr1", 20_000, "0/1") in called(sampled)


def test_another_sex_replaces_the_genotypes(sampled: Catalog) -> None:
    call_samples(sampled, ["S1"], open_reference(sampled, "tiny"))
    with sampled.job("samples set") as job, job.commit() as tx:
        tx.execute("UPDATE samples SET sex = 'female' WHERE sample_id = 'S1'")
    call_samples(sampled, ["S1"], open_reference(sampled, "tiny"))
    assert ("chrX", 2000, "0/1") in called(sampled)


def test_a_region_is_called_alone_and_whole_afterwards(sampled: Catalog) -> None:
    call_samples(sampled, ["S1"], open_reference(sampled, "tiny"), region=Region("chr1", 14_999, 15_000))
    assert called(sampled) == [("chr1", 14_999, "0/1")]
    call_samples(sampled, ["S1"], open_reference(sampled, "tiny"), region=Region("chr1", 15_000, 30_000))
    assert called(sampled) == CHR1[1:]
    call_samples(sampled, ["S1"], open_reference(sampled, "tiny"))
    assert [row for row in called(sampled) if row[0] == "chr1"] == CHR1


def test_results_do_not_depend_on_threads(sampled: Catalog, config: Config) -> None:
    tables = []
    for threads in (1, 3):
        with sampled.job("forget") as job, job.commit() as tx:
            tx.execute("DELETE FROM genotypes")
            tx.execute("DELETE FROM lineage WHERE operation = 'call'")
        with connect(sampled.layout.root, replace(config, threads=threads)) as catalog:
            call_samples(catalog, ["S1"], open_reference(catalog, "tiny"))
            tables.append(catalog.query("SELECT * FROM genotypes ORDER BY contig, start"))
    assert tables[0].equals(tables[1])


def test_a_region_without_alignments_has_no_variants(sampled: Catalog) -> None:
    call_samples(sampled, ["S1"], open_reference(sampled, "tiny"), region=Region("chr1", 28_000, 29_000))
    assert called(sampled) == []


def test_what_is_not_there_is_an_error(sampled: Catalog) -> None:
    with pytest.raises(NotFoundError, match="no sample 'S9'"):
        call_samples(sampled, ["S9"], open_reference(sampled, "tiny"))
    with pytest.raises(NotFoundError, match="no reference 'huge'"):
        call_samples(sampled, ["S1"], open_reference(sampled, "huge"))
    with pytest.raises(NotFoundError, match="no contig 'chr9'"):
        call_samples(sampled, ["S1"], open_reference(sampled, "tiny"), region=Region("chr9", 0, 10))
    add_sample(sampled, "S3", None)
    with pytest.raises(NotFoundError, match="S3 has no alignments on tiny"):
        call_samples(sampled, ["S3"], open_reference(sampled, "tiny"))
    assert called(sampled) == []


def test_long_reads_take_no_part_and_it_is_said(sampled: Catalog) -> None:
    reference_ = open_reference(sampled, "tiny")
    call_samples(sampled, ["S1"], reference_)
    before = called(sampled)
    bases = CONTIGS["chr1"]
    changes = [(20_000, 1, other(bases[20_000]))]
    long = reads_with(bases, changes, starts=range(18_500, 19_500, 50), length=3_000, label="long")
    write_alignments(sampled, "S1", "chr1", long)
    notes = Notes()
    call_samples(sampled, ["S1"], reference_, progress=notes)
    assert called(sampled) == before
    assert [note for note in notes.said if "over 1,000 bases: they take no part" in note] == [notes.said[-2]]


def covered(catalog: Catalog, contig: str) -> dict[int, tuple[str | None, int]]:
    """Gap and GQ by base of a contig's reference blocks, none covered twice."""
    sql = f"SELECT * FROM reference_blocks WHERE contig = '{contig}' ORDER BY start"
    out: dict[int, tuple[str | None, int]] = {}
    for row in catalog.query(sql).to_pylist():
        bases = range(row["start"], row["end"])
        assert not out.keys() & set(bases)
        out |= dict.fromkeys(bases, (row["gap"], row["gq"]))
    return out


def test_calls_and_blocks_cover_every_base_of_contigs_with_alignments(sampled: Catalog) -> None:
    call_samples(sampled, ["S1"], open_reference(sampled, "tiny"))
    for contig, sites in SITES.items():
        blocks = covered(sampled, contig)
        calls = {start for where, start, _ in called(sampled) if where == contig}
        assert blocks.keys() | calls == set(range(len(CONTIGS[contig])))
        assert not blocks.keys() & calls
        # Reads of 100 bases start from 90 to 14 bases before a site, two every fourth base.
        assert blocks[sites[0] - 95] == ("no_usable_reads", 0)
        assert blocks[sites[0] - 1][0] is None
        assert blocks[sites[0] - 1][1] >= 40
    ploidies = sampled.query(
        "SELECT DISTINCT contig, ploidy FROM reference_blocks ORDER BY contig"
    ).to_pylist()
    assert [row["ploidy"] for row in ploidies] == [2, 1, 1]


def test_blocks_do_not_depend_on_threads_nor_on_regions(sampled: Catalog, config: Config) -> None:
    reference_ = open_reference(sampled, "tiny")
    call_samples(sampled, ["S1"], reference_)
    sql = "SELECT * FROM reference_blocks ORDER BY contig, start"
    whole, bases = sampled.query(sql), covered(sampled, "chr1")
    # A region anew, in another model's name: what it cuts stays whole beside it.
    region = Region("chr1", 4_950, 15_100)
    parameters = replace(DEFAULT_PARAMETERS, min_qual=11)
    call_samples(sampled, ["S1"], reference_, region=region, parameters=parameters)
    again = covered(sampled, "chr1")
    assert again.keys() == bases.keys()
    assert {at: gap for at, (gap, _) in again.items()} == {at: gap for at, (gap, _) in bases.items()}
    with connect(sampled.layout.root, replace(config, threads=3)) as catalog:
        call_samples(catalog, ["S1"], open_reference(catalog, "tiny"))
        assert catalog.query(sql).equals(whole)


@given(
    st.lists(
        st.tuples(st.integers(0, 3_000_000), st.integers(1, 40_000), st.integers(1, 500_000)), max_size=60
    )
)
def test_windows_hold_every_alignment_once_and_are_bounded(bins: list[tuple[int, int, int]]) -> None:
    stretches = sorted(
        {start // 16_384: (start, start + span, count) for start, span, count in bins}.values()
    )
    made = list(_cuts(stretches))
    assert [bin for _, _, held in made for bin in held] == [
        (max(first - 1, 0), count) for first, _, count in stretches
    ]
    cuts = [(start, end) for start, end, _ in made]
    assert all(start < end for start, end in cuts)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(cuts))
    for first, last, _ in stretches:
        covered = sum(
            min(end, last) - max(start, first) for start, end in cuts if start < last and first < end
        )
        assert covered == last - first
    longest = max((span for _, span, _ in bins), default=0)
    assert all(end - start <= _MAX_WINDOW + longest + 16_384 for start, end in cuts)


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(1, 40_000)), min_size=1, max_size=40),
    st.integers(1, 9),
)
def test_parts_of_a_window_share_its_alignments_and_leave_no_base_out(
    counts: list[tuple[int, int]], number: int
) -> None:
    bins = tuple(sorted((1000 + 16_384 * bin, count) for bin, count in dict(counts).items()))
    region = Region("chr1", 1000, bins[-1][0] + 20_000)
    window = _Window(region=region, ploidy=2, bins=bins)
    parts = list(window.parts(number))
    assert len(parts) <= number
    assert parts[0].start == region.start
    assert parts[-1].end == region.end
    assert all(before.end == after.start for before, after in itertools.pairwise(parts))
    largest = max(count for _, count in bins)
    for part in parts:
        held = sum(count for begin, count in bins if part.start <= begin < part.end)
        assert held <= window.records / number + largest


@given(st.lists(st.tuples(st.sampled_from(["chr1", "chr2"]), st.integers(1, 100_000)), max_size=30))
def test_windows_that_are_read_together_are_neighbours_and_few_alignments(
    given: list[tuple[str, int]],
) -> None:
    windows = [
        _Window(region=Region(contig, at, at + 1), ploidy=2, bins=((at, records),))
        for at, (contig, records) in enumerate(sorted(given))
    ]
    groups = list(_read_together(windows))
    assert [window for group in groups for window in group] == windows
    for group in groups:
        assert len({window.region.contig for window in group}) == 1
        assert len(group) == 1 or sum(window.records for window in group) <= ALIGNMENTS.row_group_rows
    assert all(
        a[-1].region.contig != b[0].region.contig
        or sum(window.records for window in a) + b[0].records > ALIGNMENTS.row_group_rows
        for a, b in itertools.pairwise(groups)
    )
