"""Duplicate marking: the native marker does what its definition says, and what the tools of the field do."""

import random
import re
import subprocess
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from baselake.compute.duplicates import DuplicateMarker, add_duplicate_type
from baselake.compute.duplicates.reference import Record, mark_duplicates
from baselake.lake.spills import SpillCipher
from tests.compute.alignment_rows import key_rows, libraries_of, records_of

KINDS = ("", "LB", "SQ")
CONTIGS = ("chr2", "chr1")


def native_marks(
    folder: Path,
    records: list[Record],
    distance: int = 100,
    contigs: tuple[str, ...] = CONTIGS,
    memory: int = 1 << 20,
    cipher: SpillCipher | None = None,
) -> dict[int, str]:
    folder.mkdir()
    marker = DuplicateMarker(folder, contigs, distance, memory, cipher)
    libraries, library_of = libraries_of(records)
    by_template: dict[int, list[Record]] = defaultdict(list)
    for record in records:
        by_template[record.template].append(record)
    groups = list(by_template.values())
    size = 3 + len(groups) // 10
    for first in range(0, len(groups), size):
        rows = [record for group in groups[first : first + size] for record in group]
        marker.add(key_rows(rows, libraries), library_of)
    marks = marker.decide(1 + max(by_template, default=-1))
    return {template: KINDS[kind] for template, kind in enumerate(marks.kinds) if kind}


def pair(
    number: int,
    *,
    name: str = "",
    library: str | None = "l",
    starts: tuple[int, int] = (100, 300),
    strands: tuple[str, str] = ("+", "-"),
    cigars: tuple[str | None, str | None] = ("10M", "10M"),
    contigs: tuple[str, str] = ("chr1", "chr1"),
    quality: int = 30,
    flag: int = 0,
) -> list[Record]:
    """Two records; a cigar of None is an unmapped read, placed beside its mate."""
    records = []
    for i in (0, 1):
        unmapped = cigars[i] is None
        place = 1 - i if unmapped else i
        bits = 0x1 | (0x40, 0x80)[i] | (0x4 if unmapped else 0x10 if strands[i] == "-" else 0)
        records.append(
            Record(
                template=number,
                library=library,
                name=name or f"r{number}",
                flag=flag | bits | (0x8 if cigars[1 - i] is None else 0x20 if strands[1 - i] == "-" else 0),
                contig=None if cigars == (None, None) else contigs[place],
                start=None if cigars == (None, None) else starts[place],
                cigar=cigars[i],
                qual=chr(33 + quality) * 10,
            )
        )
    return records


def illumina(tile: int, x: int, y: int) -> str:
    return f"M1:7:FC:1:{tile}:{x}:{y}"


def test_the_pair_of_best_quality_is_kept(tmp_path: Path) -> None:
    records = [*pair(0, quality=20), *pair(1, quality=35), *pair(2, quality=35)]
    assert native_marks(tmp_path / "spill", records) == {0: "LB", 2: "LB"}


def test_bases_under_15_add_nothing(tmp_path: Path) -> None:
    records = [*pair(0, quality=2), *pair(1, quality=14)]
    assert native_marks(tmp_path / "spill", records) == {1: "LB"}


def test_clipped_bases_count_towards_the_end(tmp_path: Path) -> None:
    records = [
        *pair(0),
        *pair(1, starts=(103, 300), cigars=("3S7M", "7M3S"), quality=20),
        *pair(2, starts=(103, 300), cigars=("2H1S7M", "10M"), quality=20),
        *pair(3, starts=(103, 300), cigars=("10M", "10M"), quality=20),
    ]
    assert native_marks(tmp_path / "spill", records) == {1: "LB", 2: "LB"}


def test_ends_differ_by_strand_contig_and_library(tmp_path: Path) -> None:
    records = [
        *pair(0),
        *pair(1, strands=("-", "+"), starts=(91, 309)),
        *pair(2, contigs=("chr1", "chr2")),
        *pair(3, library="other"),
        *pair(4, library=None),
    ]
    assert native_marks(tmp_path / "spill", records) == {}


def test_a_pair_read_from_the_other_end_is_a_duplicate_but_not_optical(tmp_path: Path) -> None:
    first = pair(0, name=illumina(1101, 10, 10))
    turned = pair(1, name=illumina(1101, 11, 11), starts=(300, 100), strands=("-", "+"), quality=20)
    same = pair(2, name=illumina(1101, 12, 12), quality=20)
    assert native_marks(tmp_path / "spill", [*first, *turned, *same]) == {1: "LB", 2: "SQ"}


def test_a_fragment_gives_way_to_a_pair_however_good_it_is(tmp_path: Path) -> None:
    records = [*pair(0, cigars=("10M", None), quality=40), *pair(1, quality=15)]
    assert native_marks(tmp_path / "spill", records) == {0: "LB"}


def test_of_fragments_alone_one_is_kept(tmp_path: Path) -> None:
    records = [
        *pair(0, cigars=("10M", None), quality=20),
        *pair(1, cigars=(None, "10M"), starts=(7, 100), strands=("+", "+"), quality=30),
    ]
    assert native_marks(tmp_path / "spill", records) == {0: "LB"}


def test_a_template_that_failed_the_filter_takes_no_part(tmp_path: Path) -> None:
    records = [*pair(0, quality=40, flag=0x200), *pair(1, quality=20)]
    assert native_marks(tmp_path / "spill", records) == {}


def test_unmapped_templates_are_no_duplicates(tmp_path: Path) -> None:
    assert (
        native_marks(tmp_path / "spill", [*pair(0, cigars=(None, None)), *pair(1, cigars=(None, None))]) == {}
    )


def test_optical_duplicates_are_near_on_one_tile_directly_or_by_a_chain(tmp_path: Path) -> None:
    spots = [(1101, 0, 0), (1101, 100, 100), (1101, 190, 0), (1101, 500, 0), (1102, 0, 0), (1101, 590, 90)]
    records = [record for i, spot in enumerate(spots) for record in pair(i, name=illumina(*spot))]
    assert native_marks(tmp_path / "spill", records) == {1: "SQ", 2: "SQ", 3: "LB", 4: "LB", 5: "SQ"}


def test_names_that_tell_no_place_give_library_duplicates(tmp_path: Path) -> None:
    records = [*pair(0, name="SRR1.1"), *pair(1, name="SRR1.2"), *pair(2, name="a:b:c:d:e:f:g")]
    assert native_marks(tmp_path / "spill", records) == {1: "LB", 2: "LB"}


def test_the_type_is_appended_to_a_duplicates_tags() -> None:
    tags = pa.array([None, b"NMC\0", None, b"NMC\1"], pa.binary())
    marked = add_duplicate_type(tags, pa.array([0, 0, 1, 2], pa.uint8()).to_numpy())
    assert marked.to_pylist() == [None, b"NMC\0", b"DTZLB\0", b"NMC\1DTZSQ\0"]


# Few places, strands, clips and spots, so that everything collides.
cigars = st.sampled_from(["10M", "2S8M", "8M2S", "1H1S8M", "4M2D4M2S", "4M2I4M", "3M1N7M", None])
templates = st.fixed_dictionaries(
    {
        "name": st.one_of(
            st.just("plain"),
            st.builds(illumina, st.sampled_from([1101, 1102]), st.integers(0, 6), st.integers(0, 6)),
            st.builds("HWI:1:{}:{}:{}".format, st.integers(1, 2), st.integers(-3, 6), st.integers(0, 6)),
        ),
        "library": st.sampled_from(["l", "m", None]),
        "starts": st.tuples(st.integers(0, 4), st.integers(0, 4)),
        "strands": st.tuples(st.sampled_from("+-"), st.sampled_from("+-")),
        "cigars": st.tuples(cigars, cigars),
        "contigs": st.tuples(st.sampled_from(CONTIGS), st.sampled_from(CONTIGS)),
        "quality": st.sampled_from([10, 20, 30]),
        "flag": st.sampled_from([0, 0, 0, 0x200]),
    }
)


@given(drawn=st.lists(templates, max_size=25), distance=st.integers(0, 3), single=st.booleans())
@settings(deadline=None, max_examples=200)
def test_the_native_marker_does_what_the_definition_says(
    tmp_path_factory: pytest.TempPathFactory, drawn: list[dict], distance: int, single: bool
) -> None:
    groups = [pair(i, **template) for i, template in enumerate(drawn)]
    if single:
        groups = [
            [Record(**{**{f: getattr(r, f) for f in Record.__slots__}, "flag": r.flag & 0x214})]
            for r, _ in groups
        ]
    records = [record for group in groups for record in group]
    folder = tmp_path_factory.mktemp("duplicates")
    expected = mark_duplicates(records, distance)
    assert native_marks(folder / "plain", records, distance, memory=1) == expected
    # Hidden on disk, where each partition is written a value at a time.
    cipher = SpillCipher()
    assert native_marks(folder / "hidden", records, distance, memory=1, cipher=cipher) == expected
    for path in (folder / "hidden").glob("*-*"):
        assert path.read_bytes() != (folder / "plain" / path.name).read_bytes()


def run(*command: object) -> None:
    subprocess.run([str(part) for part in command], check=True, capture_output=True)


def flagged(alignments: Path) -> tuple[set[str], dict[str, str]]:
    """Names with a mapped primary record of FLAG 0x400, and their DT values."""
    import pysam

    names: set[str] = set()
    kinds: dict[str, str] = {}
    with pysam.AlignmentFile(str(alignments), check_sq=False) as file:
        for read in file:
            if read.flag & 0x400 and not read.flag & 0x904:
                names.add(str(read.query_name))
                if read.has_tag("DT"):
                    kinds[str(read.query_name)] = str(read.get_tag("DT"))
    return names, kinds


def samtools_marks(samtools: str, fixed: Path, folder: Path) -> set[str]:
    run(samtools, "sort", "-o", folder / "sorted.bam", fixed)
    # -m s compares the 5' ends whatever the strands; the default takes the outer ends of FF and RR pairs.
    run(samtools, "markdup", "-c", "-m", "s", folder / "sorted.bam", folder / "samtools.bam")
    return flagged(folder / "samtools.bam")[0]


def picard_marks(picard: str, grouped: Path, folder: Path) -> tuple[set[str], dict[str, str]]:
    run(
        *(picard, "MarkDuplicates", f"I={grouped}", f"O={folder / 'picard.bam'}", f"M={folder / 'metrics'}"),
        *(
            "ASSUME_SORT_ORDER=queryname",
            "TAGGING_POLICY=All",
            "CLEAR_DT=true",
            "VALIDATION_STRINGENCY=SILENT",
        ),
    )
    return flagged(folder / "picard.bam")


def kept_per_set(records: list[Record], marked: set[str]) -> Counter[tuple[object, ...]]:
    """How many templates of every set of duplicates are kept, with which score: equal where only ties differ."""
    by_name: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        if not record.flag & 0x904:
            by_name[record.name].append(record)
    kept: Counter[tuple[object, ...]] = Counter()
    for name, group in by_name.items():
        if name not in marked:
            ends = sorted(five_prime_end(record) for record in group)
            kept[(group[0].library, *ends, sum(score(record) for record in group))] += 1
    return kept


def five_prime_end(record: Record) -> tuple[object, ...]:
    assert record.start is not None
    steps = re.findall(r"(\d+)([A-Z=])", record.cigar or "")
    lead, tail = (0 if steps[i][1] not in "SH" else int(steps[i][0]) for i in (0, -1))
    if record.flag & 0x10:
        return record.contig, record.start + sum(int(n) for n, op in steps if op in "MDN=X") + tail, "-"
    return record.contig, record.start - lead, "+"


def score(record: Record) -> int:
    return sum(ord(c) - 33 for c in record.qual or "" if ord(c) - 33 >= 15)


def crowded(folder: Path, samtools: str, libraries: tuple[str, ...]) -> Path:
    """Records that collide in every way, grouped by name with mate fields filled."""
    draw = random.Random(7)
    shapes = ("10M", "2S8M", "8M2S", "4M2D4M2S", "4M2I4M", "3M1N7M", None)
    lines = ["@HD\tVN:1.6\tSO:queryname", "@SQ\tSN:chr2\tLN:1000", "@SQ\tSN:chr1\tLN:1000"]
    lines += [f"@RG\tID:{library}\tLB:{library}\tSM:s" for library in libraries]
    names = sorted(
        {illumina(draw.choice((1101, 1102)), draw.randrange(900), draw.randrange(900)) for _ in range(1500)}
    )
    for i, name in enumerate(names):
        records = pair(
            i,
            name=name,
            library=draw.choice(libraries),
            starts=(draw.randrange(100, 106), draw.randrange(100, 106)),
            strands=(draw.choice("+-"), draw.choice("+-")),
            cigars=(draw.choice(shapes), draw.choice(shapes)),
            contigs=(draw.choice(CONTIGS), draw.choice(CONTIGS)),
            quality=draw.randrange(12, 41),
        )
        for record in records:
            place = "*\t0" if record.start is None else f"{record.contig}\t{record.start + 1}"
            fields = (
                record.name,
                record.flag,
                place,
                60 if record.cigar else 0,
                record.cigar or "*",
                "*\t0\t0",
            )
            lines.append("\t".join(map(str, (*fields, "A" * 10, record.qual, f"RG:Z:{record.library}"))))
    (folder / "crowded.sam").write_text("\n".join(lines) + "\n")
    run(samtools, "fixmate", "-m", folder / "crowded.sam", folder / "crowded.bam")
    return folder / "crowded.bam"


def test_crowded_records_get_the_flags_of_samtools(peer: Callable[[str], str], tmp_path: Path) -> None:
    # samtools 1.16 does not look at libraries.
    fixed = crowded(tmp_path, peer("samtools"), ("one",))
    records = records_of(fixed)
    ours = set(our_names(tmp_path / "spill", records, CONTIGS))
    assert len(ours) > 100
    assert kept_per_set(records, ours) == kept_per_set(
        records, samtools_marks(peer("samtools"), fixed, tmp_path)
    )


def test_crowded_records_get_the_flags_of_picard(peer: Callable[[str], str], tmp_path: Path) -> None:
    fixed = crowded(tmp_path, peer("samtools"), ("one", "two"))
    records = records_of(fixed)
    ours = our_names(tmp_path / "spill", records, CONTIGS)
    theirs, _ = picard_marks(peer("PicardCommandLine"), fixed, tmp_path)
    assert kept_per_set(records, set(ours)) == kept_per_set(records, theirs)


@pytest.fixture(scope="module")
def na12878(shared_data: Path, peer: Callable[[str], str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The real records, grouped by name; 111 of them, which the file has twice, once."""
    import pysam

    folder = tmp_path_factory.mktemp("na12878")
    bam = shared_data / "accuracy_NA12878_chr20" / "NA12878_S1.chr20.10_10p1mb.bam"
    seen = set()
    with (
        pysam.AlignmentFile(str(bam)) as file,
        pysam.AlignmentFile(str(folder / "once.bam"), "wb", template=file) as out,
    ):
        for read in file:
            if (read.query_name, read.flag & 0x9C0) not in seen:
                seen.add((read.query_name, read.flag & 0x9C0))
                out.write(read)
    run(peer("samtools"), "sort", "-n", "-o", folder / "grouped.bam", folder / "once.bam")
    # Reads whose mates lie outside the slice become fragments to all three.
    run(peer("samtools"), "fixmate", "-m", folder / "grouped.bam", folder / "fixed.bam")
    return folder / "fixed.bam"


def our_names(folder: Path, records: list[Record], contigs: tuple[str, ...]) -> dict[str, str]:
    names = {record.template: record.name for record in records}
    return {names[template]: kind for template, kind in native_marks(folder, records, 100, contigs).items()}


def contigs_of(alignments: Path) -> tuple[str, ...]:
    import pysam

    with pysam.AlignmentFile(str(alignments), check_sq=False) as file:
        return tuple(file.references)


def test_real_records_get_the_flags_of_samtools(
    na12878: Path, peer: Callable[[str], str], tmp_path: Path
) -> None:
    records = records_of(na12878)
    ours = set(our_names(tmp_path / "spill", records, contigs_of(na12878)))
    theirs = samtools_marks(peer("samtools"), na12878, tmp_path)
    assert len(ours) > 100
    assert kept_per_set(records, ours) == kept_per_set(records, theirs)


def test_real_records_get_the_flags_of_picard(
    na12878: Path, peer: Callable[[str], str], tmp_path: Path
) -> None:
    records = records_of(na12878)
    ours = our_names(tmp_path / "spill", records, contigs_of(na12878))
    theirs, kinds = picard_marks(peer("PicardCommandLine"), na12878, tmp_path)
    assert kept_per_set(records, set(ours)) == kept_per_set(records, theirs)
    same = ours.keys() & kinds.keys()
    assert len(same) > 100
    assert {name: ours[name] for name in same} == {name: kinds[name] for name in same}
