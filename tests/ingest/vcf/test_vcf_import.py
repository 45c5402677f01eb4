"""Importing VCF and BCF: alleles in their normal form, genotypes, what is kept of a record, and what is refused."""

import gzip
import subprocess
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baselake.catalog.catalog import Catalog, connect, create
from baselake.catalog.references import Reference, add_reference
from baselake.config import Config
from baselake.errors import BaselakeError, ConflictError, InputError, NotFoundError
from baselake.ingest.files import ingest_files
from baselake.ingest.vcf import imports
from baselake.ingest.vcf.imports import ingest_vcf
from baselake.ingest.vcf.source import Reading, open_vcf
from tests.ingest.vcf.vcf_files import HEADER, write_vcf

#                 10        20        30        40
#        1234567890123456789012345678901234567890
CHR1 = "ACGTACGTAGGGGGGGGGTACGATCACACACACACATTGACC"
CHRX = "TTGACAGGCATTTTTTTACC"


@pytest.fixture
def reference(catalog: Catalog, tmp_path: Path) -> Reference:
    fasta = tmp_path / "ref.fa"
    fasta.write_text(f">chr1\n{CHR1}\n>chrX\n{CHRX}\n")
    return add_reference(catalog, fasta, "tiny")


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory, config: Config) -> Reference:
    """The same assembly, of a lake that is not changed."""
    folder = tmp_path_factory.mktemp("known")
    (folder / "ref.fa").write_text(f">chr1\n{CHR1}\n>chrX\n{CHRX}\n")
    create(folder / "lake", config)
    with connect(folder / "lake", config) as catalog:
        return add_reference(catalog, folder / "ref.fa", "tiny")


def rows(catalog: Catalog, sql: str) -> list[dict]:
    return catalog.query(sql).to_pylist()


def variants(catalog: Catalog) -> list[tuple]:
    found = rows(catalog, "SELECT variant_id, type FROM variants ORDER BY contig, start, variant_id")
    return [(row["variant_id"], row["type"]) for row in found]


@pytest.mark.usefixtures("reference")
def test_alternates_are_split_trimmed_and_moved_left(catalog: Catalog, tmp_path: Path) -> None:
    records = [
        "chr1 3 . G T . . .",
        "chr1 16 . GGGT GGGGT,GGT,GGGA . . .",  # an insertion and a deletion in a run of G, and a substitution
        "chr1 33 . CACA CA . . .",  # a deletion in a dinucleotide repeat
    ]
    ingest_vcf(catalog, [write_vcf(tmp_path / "a.vcf", records)])
    assert variants(catalog) == [
        ("chr1-3-G-T", "snv"),
        ("chr1-9-A-AG", "insertion"),
        ("chr1-9-AG-A", "deletion"),
        ("chr1-19-T-A", "snv"),
        ("chr1-24-TCA-T", "deletion"),
    ]


@pytest.mark.usefixtures("reference")
def test_each_sample_has_a_row_for_each_alternate(catalog: Catalog, tmp_path: Path) -> None:
    records = [
        "chr1 3 rs1 G T 30 PASS . GT:GQ:DP:AD:PL 0/1:50:20:9,11:300,0,280 0|0:40:18:18,0:0,54,500 ./.:.:.:.:.",
        "chr1 5 . A C,G 31.5 low;bad . GT:AD:PL 1/2:0,7,8:9,8,7,6,0,5 0/2:5,0,6:4,3,9,0,8,7 2|.",
    ]
    ingest_vcf(catalog, [write_vcf(tmp_path / "a.vcf", records, ("A", "B", "C"))])
    found = rows(
        catalog,
        "SELECT sample_id, variant_id, gt, alt_copies, gq, dp, ad_ref, ad_alt, pl, site_pl FROM genotypes"
        " ORDER BY start, variant_id, sample_id",
    )
    assert [tuple(row.values()) for row in found] == [
        ("A", "chr1-3-G-T", "0/1", 1, 50, 20, 9, 11, [300, 0, 280], None),
        ("B", "chr1-3-G-T", "0|0", 0, 40, 18, 18, 0, [0, 54, 500], None),
        ("C", "chr1-3-G-T", "./.", None, None, None, None, None, None, None),
        ("A", "chr1-5-A-C", "1/2", 1, None, None, 0, 7, [9, 8, 7], [9, 8, 7, 6, 0, 5]),
        ("B", "chr1-5-A-C", "0/2", 0, None, None, 5, 0, [4, 3, 9], [4, 3, 9, 0, 8, 7]),
        ("C", "chr1-5-A-C", "2|.", None, None, None, None, None, None, None),
        ("A", "chr1-5-A-G", "2/1", 1, None, None, 0, 8, [9, 6, 5], [9, 8, 7, 6, 0, 5]),
        ("B", "chr1-5-A-G", "0/1", 1, None, None, 5, 6, [4, 0, 7], [4, 3, 9, 0, 8, 7]),
        ("C", "chr1-5-A-G", "1|.", 1, None, None, None, None, None, None),
    ]
    # What has no copy of the allele, or is not called, is no call of it.
    assert len(rows(catalog, "FROM calls")) == 5
    filters = rows(catalog, "SELECT DISTINCT qual, filters FROM genotypes ORDER BY qual")
    assert [tuple(row.values()) for row in filters] == [(30.0, []), (31.5, ["low", "bad"])]


@pytest.mark.usefixtures("reference")
def test_what_has_no_column_is_in_maps_by_type(catalog: Catalog, tmp_path: Path) -> None:
    record = "chr1 3 . G T . . AC=1;AF=0.25;DB;GENES=a,b;MQ=60;NEW=x GT:AB:FT:XY 0/1:0.5:low:7"
    ingest_vcf(catalog, [write_vcf(tmp_path / "a.vcf", [record], ("A",))])
    (site,) = rows(catalog, "SELECT info_keys, info_integers, info_floats, info_strings FROM vcf_records")
    assert site == {
        "info_keys": ["AC", "AF", "DB", "GENES", "MQ", "NEW"],
        "info_integers": [("AC", [1])],
        "info_floats": [("AF", [0.25]), ("MQ", [60.0])],
        "info_strings": [("GENES", ["a", "b"]), ("NEW", ["x"])],
    }
    (call,) = rows(catalog, "SELECT mq, format_floats, format_strings FROM genotypes")
    assert call == {
        "mq": 60.0,
        "format_floats": [("AB", [0.5])],
        "format_strings": [("FT", ["low"]), ("XY", ["7"])],
    }


@pytest.mark.usefixtures("reference")
def test_blocks_of_a_gvcf_are_reference_blocks(catalog: Catalog, tmp_path: Path) -> None:
    records = [
        "chr1 1 . A <NON_REF> . . END=2 GT:DP:GQ:MIN_DP 0/0:30:90:28",
        "chr1 3 . G T,<NON_REF> . . . GT:AD:PL 0/1:9,11,0:300,0,280,330,310,600",
        "chr1 4 . T <NON_REF> . . END=7 GT:DP:GQ 0/0:0:0",
        "chr1 8 . T <*> . . END=9 GT ./.",
        "chr1 10 . G . . . . GT:DP 0/0:12",
    ]
    ingest_vcf(catalog, [write_vcf(tmp_path / "a.g.vcf", records, ("A",))])
    found = rows(
        catalog,
        'SELECT start, "end", ploidy, gap, gq, dp, min_dp FROM reference_blocks ORDER BY start',
    )
    assert [tuple(row.values()) for row in found] == [
        (0, 2, 2, None, 90, 30, 28),
        (3, 7, 2, "no_usable_reads", 0, 0, 0),
        (7, 9, 2, "no_call", 0, None, None),
        (9, 10, 2, None, None, 12, 12),
    ]
    assert variants(catalog) == [("chr1-3-G-T", "snv")]


@pytest.mark.usefixtures("reference")
def test_structural_alternates_are_variants_and_stars_are_not(catalog: Catalog, tmp_path: Path) -> None:
    records = [
        "chr1 3 . G <DEL> . . END=9 GT 0/1",
        "chr1 3 . G <DEL> . . END=12 GT 0/1",
        "chr1 5 . A C,* . . . GT 1/2",
        "chr1 7 . G G]chrX:5] . . . GT 0/1",
    ]
    ingest_vcf(catalog, [write_vcf(tmp_path / "a.vcf", records, ("A",))])
    assert variants(catalog) == [
        ("chr1-3-G-<DEL>-12", "symbolic"),
        ("chr1-3-G-<DEL>-9", "symbolic"),
        ("chr1-5-A-C", "snv"),
        ("chr1-7-G-G]chrX:5]", "breakend"),
    ]
    assert rows(catalog, "SELECT gt FROM genotypes WHERE variant_id = 'chr1-5-A-C'") == [{"gt": "1/2"}]


def test_a_file_in_many_parts_is_the_same_rows_in_sorted_tiles(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imports, "_PART_SHARE", 1 << 14)  # of the memory: 64 kB
    (tmp_path / "r.fa").write_text(f">1\n{'A' * 3000}\n")
    # In a run of one base every deletion moves to its beginning, before what the parts before held.
    records = [
        f"1 {p} . {'AA A' if p % 100 == 0 else 'A C'} . . . GT {'0/1' if p % 3 else '1/1'} 0|{p % 2}"
        for p in range(2, 2900)
    ]
    path = write_vcf(tmp_path / "a.vcf", records, ("A", "B"))
    add_reference(catalog, tmp_path / "r.fa", "flat")
    ingest_vcf(catalog, [path])
    found = rows(
        catalog,
        "SELECT filename, file_row_number AS row, start, record, gt, sample_id FROM genotypes ORDER BY ALL",
    )
    assert len(rows(catalog, "FROM variants")) == 2898 - 28 + 1
    tiles = [
        file.read_row_group(i)["start"].to_pylist()
        for file in map(pq.ParquetFile, {row["filename"] for row in found})
        for i in range(file.num_row_groups)
    ]
    assert len(tiles) > 4
    assert all(starts == sorted(starts) for starts in tiles)
    calls = {(row["sample_id"], row["record"]): (row["start"], row["gt"]) for row in found}
    assert len(calls) == len(found) == 2 * len(records)
    for number, record in enumerate(records):
        fields = record.split()
        start = 0 if fields[3] == "AA" else int(fields[1]) - 1
        assert calls["A", number] == (start, fields[9])
        assert calls["B", number] == (start, fields[10])


@pytest.mark.usefixtures("reference")
def test_files_that_share_alleles_leave_one_row_of_each(catalog: Catalog, tmp_path: Path) -> None:
    # The second spells the same deletion further right.
    one = write_vcf(tmp_path / "one.vcf", ["chr1 9 . AG A . . . GT 0/1"], ("A",))
    two = write_vcf(tmp_path / "two.vcf", ["chr1 17 . GG G . . . GT 1/1"], ("B",))
    three = write_vcf(tmp_path / "three.vcf", ["chr1 9 . AG A . . . GT 0/1"], ("C",))
    ingest_vcf(catalog, [one, two])
    ingest_vcf(catalog, [three])
    assert variants(catalog) == [("chr1-9-AG-A", "deletion")]
    carriers = rows(catalog, "SELECT sample_id, alt_copies FROM calls ORDER BY 1")
    assert [tuple(row.values()) for row in carriers] == [("A", 1), ("B", 2), ("C", 1)]


@pytest.mark.usefixtures("reference")
def test_a_file_is_imported_once_whatever_it_is_called_or_compressed(
    catalog: Catalog, tmp_path: Path
) -> None:
    vcf = write_vcf(tmp_path / "a.vcf", ["chr1 3 . G T . . . GT 0/1"], ("A",))
    packed = tmp_path / "b.vcf.gz"
    packed.write_bytes(gzip.compress(vcf.read_bytes()))
    assert ingest_vcf(catalog, [vcf]).records == 1
    assert ingest_vcf(catalog, [vcf, packed]).skipped == (vcf, packed)
    assert len(rows(catalog, "FROM genotypes")) == 1
    with pytest.raises(ConflictError, match="imported as sample A"):
        ingest_vcf(catalog, [vcf], sample="B")


@pytest.mark.usefixtures("reference")
def test_a_sample_is_not_called_twice_at_a_place(catalog: Catalog, tmp_path: Path) -> None:
    ingest_vcf(catalog, [write_vcf(tmp_path / "a.vcf", ["chr1 3 . G T . . . GT 0/1"], ("A",))])
    again = write_vcf(tmp_path / "b.vcf", ["chr1 2 . C A . . . GT 0/1", "chr1 5 . A T . . . GT 0/1"], ("A",))
    with pytest.raises(ConflictError, match="sample A has calls on chr1 of tiny there already"):
        ingest_vcf(catalog, [again])
    elsewhere = write_vcf(
        tmp_path / "c.vcf", ["chr1 8 . T A . . . GT 0/1", "chrX 3 . G T . . . GT 1"], ("A",)
    )
    ingest_vcf(catalog, [elsewhere])
    assert len(rows(catalog, "FROM calls")) == 3


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        ("chr1 3 . G T . .", "the line has 7 columns"),
        ("chr2 3 . G T . . . GT 0/1", "contig 'chr2' is not in the reference"),
        ("chr1 x . G T . . . GT 0/1", "POS is not a position: 'x'"),
        ("chr1 3 . A T . . . GT 0/1", "REF is 'A' where the reference has 'G'"),
        ("chr1 41 . CCC C . . . GT 0/1", "reach beyond chr1, which has 42 bases"),
        ("chr1 3 . G R . . . GT 0/1", "neither bases"),
        ("chr1 3 . G G . . . GT 0/1", "an alternate is the reference"),
        ("chr1 3 . G T,T . . . GT 0/1", "an alternate stands twice"),
        ("chr1 3 . G T high . . GT 0/1", "QUAL is declared a Float and is 'high'"),
        ("chr1 3 . G T . . AC=x GT 0/1", "AC is declared an Integer and is 'x'"),
        ("chr1 3 . G T . . AC=1;AC=1 GT 0/1", "INFO has AC twice"),
        ("chr1 3 . G T . . . GT 0/2", "names allele 2 of 1"),
        ("chr1 3 . G T . . . GT 0/a", "GT is not a genotype"),
        ("chr1 3 . G T . . . GT:GQ 0/1:9:9", "sample 1 has more values than FORMAT has keys"),
        ("chr1 3 . G T . . . GT:GQ 0/1:9.5", "GQ is declared an Integer and is '9.5'"),
        ("chr1 3 . G T . . . GT:AD 0/1:9", "FORMAT AD has 1 values and not 2"),
        ("chr1 3 . G T . . . GT:PL 0/1:9,9", "not one for each of 3 genotypes"),
        ("chr1 3 . G T . . . GT 0/1 0/1", "more samples than the header names"),
        ("chr1 1 . A T . . . GT 0/1", "before that of the last record"),
    ],
)
def test_a_wrong_record_is_refused_with_its_line(
    known: Reference, tmp_path: Path, record: str, reason: str
) -> None:
    path = write_vcf(tmp_path / "a.vcf", ["chr1 2 . C T . . . GT 0/1", record], ("A",))
    line = HEADER.count("\n") + 3
    with pytest.raises(InputError, match=f"line {line}: .*{reason}"):
        list(Reading(open_vcf(path), known, 1 << 20).parts())


@pytest.mark.usefixtures("reference")
def test_nothing_of_a_refused_file_is_in_the_lake(catalog: Catalog, tmp_path: Path) -> None:
    good = write_vcf(tmp_path / "good.vcf", ["chr1 2 . C T . . . GT 0/1"], ("A",))
    bad = write_vcf(tmp_path / "bad.vcf", ["chr1 3 . G T . . . GT 0/1", "chr1 5 . C T . . . GT 0/1"], ("B",))
    with pytest.raises(InputError, match="REF is 'C' where the reference has 'A'"):
        ingest_vcf(catalog, [good, bad])
    for table in ("genotypes", "variants", "samples", "vcf_records", "source_files"):
        assert rows(catalog, f"FROM {table}") == []


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ("##fileformat=VCFv9.9\n", "line 1: ##fileformat=VCFv9.9 is not a version that is read"),
        (HEADER + '##INFO=<ID=AC,Number=A,Type=Integer,Description="x">\n', "##INFO AC stands twice"),
        (HEADER + '##INFO=<ID=Q,Number=two,Type=Integer,Description="x">\n', "##INFO Q has the number 'two'"),
        (HEADER + '##INFO=<ID=Q,Number=1,Type=Number,Description="x">\n', "##INFO Q has the type 'Number'"),
        (
            HEADER + "##contig=<ID=chr1,length=7>\n",
            "contig chr1 has 7 bases in the file and 42 in reference tiny",
        ),
    ],
)
@pytest.mark.usefixtures("reference")
def test_a_wrong_header_is_refused(catalog: Catalog, tmp_path: Path, header: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        ingest_vcf(catalog, [write_vcf(tmp_path / "a.vcf", [], header=header)])


def test_without_a_reference_nothing_can_be_normalised(catalog: Catalog, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="no reference to normalise alleles against"):
        ingest_vcf(catalog, [write_vcf(tmp_path / "a.vcf", [])])


@pytest.mark.usefixtures("reference")
def test_values_of_another_type_than_declared_are_kept_as_text(catalog: Catalog, tmp_path: Path) -> None:
    header = HEADER + '##INFO=<ID=N,Number=.,Type=Integer,Description="Names, really">\n'
    ingest_vcf(catalog, [write_vcf(tmp_path / "a.vcf", ["chr1 3 . G T . . N=1,Ion"], header=header)])
    assert rows(catalog, "SELECT info_strings['N'] AS n FROM vcf_records") == [{"n": ["1", "Ion"]}]


@pytest.mark.usefixtures("reference")
def test_kinds_of_files_are_not_mixed(catalog: Catalog, tmp_path: Path) -> None:
    vcf = write_vcf(tmp_path / "a.vcf", [])
    fastq = tmp_path / "a.fastq"
    fastq.write_text("@q\nA\n+\nI\n")
    with pytest.raises(InputError, match=r"VCF or BCF \(a.vcf\) and FASTQ \(a.fastq\) in one import"):
        ingest_files(catalog, [vcf, fastq])


_BASES = st.text("ACGT", min_size=1, max_size=4)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_alleles_are_those_of_bcftools_norm(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    # One process of bcftools for many alleles.
    folder = tmp_path_factory.mktemp("norm")
    contig = data.draw(
        st.lists(st.sampled_from(["A", "CA", "ACG", "T", "GGG"]), min_size=8, max_size=30).map("".join)
    )
    fasta = folder / "r.fa"
    fasta.write_text(f">c\n{contig}\n")
    records = []
    for start in range(len(contig) - 4):
        ref = contig[start : start + data.draw(st.integers(1, 4))]
        alt = data.draw(_BASES.filter(lambda text, ref=ref: text != ref))
        records.append(f"c {start + 1} . {ref} {alt} . . .")
    header = f"##fileformat=VCFv4.2\n##contig=<ID=c,length={len(contig)}>\n"
    path = write_vcf(folder / "a.vcf", records, header=header)
    want = subprocess.run(
        ["bcftools", "norm", "-f", fasta, path], capture_output=True, text=True, check=True
    ).stdout
    wanted = sorted(
        "-".join(line.split("\t")[i] for i in (0, 1, 3, 4)) for line in want.splitlines() if line[0] != "#"
    )
    assert sorted(_alleles(path, contig)) == wanted


def _alleles(path: Path, contig: str) -> list[str]:
    import numpy as np
    import pyarrow as pa

    from baselake.ingest.vcf._reader import Reader

    reader = Reader(
        [], [], [("c", np.frombuffer(contig.encode(), np.uint8))], [], 1, 1000, False, 0, 1 << 20, None
    )
    body = "".join(line + "\n" for line in path.read_text().splitlines() if line[0] != "#")
    return [
        variant
        for part in reader.feed(body.encode(), last=True)
        for variant in pa.record_batch(part["variants"])["variant_id"].to_pylist()
    ]


@pytest.mark.usefixtures("reference")
def test_bcf_is_read_as_the_vcf_it_was_made_from(
    catalog: Catalog, tmp_path: Path, peer: Callable[[str], str]
) -> None:
    records = [
        "chr1 3 rs1;rs2 G T 30.5 PASS AC=1;AF=0.25;DB;GENES=a,b GT:GQ:DP:AD:PL:AB:FT"
        " 0/1:50:20:9,11:300,0,280:0.5:low 0|0",
        "chr1 5 . A C,G . low;bad . GT:PS:AD 1/2:5:0,7,8 .",
        "chr1 9 . AG A,<DEL> . . END=12 GT 0|2 1",
        "chrX 3 . G . . . . GT 0/0 ./.",
    ]
    header = HEADER + '##FILTER=<ID=bad,Description="Bad">\n##ALT=<ID=DEL,Description="Deletion">\n'
    header += f"##contig=<ID=chr1,length={len(CHR1)}>\n##contig=<ID=chrX,length={len(CHRX)}>\n"
    vcf = write_vcf(tmp_path / "a.vcf", records, ("A", "B"), header)
    bcf = tmp_path / "a.bcf"
    subprocess.run([peer("bcftools"), "view", "-Ob", "-o", bcf, vcf], check=True)
    taken = [_everything(path, reference) for path in (vcf, bcf) for reference in [_open(catalog)]]
    assert taken[0] == taken[1]
    assert ingest_vcf(catalog, [bcf]).records == 4


def _open(catalog: Catalog) -> Reference:
    from baselake.catalog.references import open_reference

    return open_reference(catalog)


def _everything(path: Path, reference: Reference) -> list[object]:
    import pyarrow as pa

    found: list[object] = []
    for part in Reading(open_vcf(path), reference, 1 << 20).parts():
        for name in ("records", "variants", "site", "blocks"):
            found += pa.record_batch(part[name]).to_pylist()  # type: ignore[literal-required]
        for block in part["genotypes"]:
            found += pa.record_batch(block).to_pylist()
    return found


def test_damaged_bcf_is_refused_and_never_crashes(
    reference: Reference, tmp_path: Path, peer: Callable[[str], str]
) -> None:
    header = HEADER + f"##contig=<ID=chr1,length={len(CHR1)}>\n"
    records = ["chr1 3 . G T 3 . AC=1;GENES=a,b GT:AD 0/1:9,11", "chr1 5 . A C . . . GT 1/1"]
    bcf, vcf = tmp_path / "a.bcf", write_vcf(tmp_path / "a.vcf", records, ("A",), header)
    subprocess.run([peer("bcftools"), "view", "-Ob", "-o", bcf, vcf], check=True)
    whole = gzip.decompress(bcf.read_bytes())
    messages = []
    for place in range(whole.index(b"\0", whole.index(b"#CHROM")) + 1, len(whole)):
        flipped = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
        for damaged in (whole[:place], flipped):
            bcf.write_bytes(damaged)
            try:
                list(Reading(open_vcf(bcf), reference, 1).parts())
            except BaselakeError as error:
                messages.append(str(error))
    assert len(messages) > 100
    assert all(f"{bcf}, record" in message for message in messages)
