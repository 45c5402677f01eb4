"""The native decoder: fields as pysam sees them, at any chunk boundary, in any order, in little memory."""

import gzip
from pathlib import Path

import pysam
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from baselake.ingest._bam import Decoder
from baselake.ingest.bam_rows import ALIGNER_TAGS, to_batch
from baselake.ingest.sam_stream import split_header
from baselake.lake.schema import ALIGNMENTS, READ_RECORDS
from baselake.lake.spills import SpillCipher
from tests.ingest.sam_files import sam_line, sam_lines, write_bam

COMPLEMENT = str.maketrans("ACGTMRWSYKVHDBN=", "TGCAKYWSRMBDHVN=")


def raw_records(path: Path) -> bytes:
    return split_header(iter([gzip.decompress(path.read_bytes())]), path)[1]


class Decoded:
    """Rows of one stream, as lists of dictionaries."""

    def __init__(
        self,
        chunks: list[bytes],
        scratch: Path,
        order: str = "sort",
        memory_bytes: int = 1 << 26,
        cipher: SpillCipher | None = None,
    ) -> None:
        decoder = Decoder(
            contigs=["chr1", "chr2"],
            placeable=[True, True],
            groups=[("g1", "S.g1", 0)],
            aligner_tags=ALIGNER_TAGS.split(),
            order=order,
            bin_shift=24,
            scratch=str(scratch),
            memory_bytes=memory_bytes,
            cipher=cipher,
        )
        self.alignments: list[dict] = []
        self.reads: list[dict] = []
        self.problem = None
        decoder.begin_file(read_group_id="S.rest", sample=0, run_id="import-x")
        for chunk in chunks:
            self.problem = decoder.feed(chunk)
            if self.problem is not None:
                return
            self._take(decoder)
        self.problem = decoder.end_file()
        more = self.problem is None
        while more:
            more = decoder.finish_part()
            self._take(decoder)

    def _take(self, decoder: Decoder) -> None:
        for _, ref_id, _, columns in decoder.take_alignments():
            contig = ["chr1", "chr2"][ref_id] if ref_id >= 0 else None
            self.alignments += to_batch(ALIGNMENTS, columns, {"contig": contig}).to_pylist()
        for read_group_id, run_id, lane, columns in decoder.take_reads():
            constants = {"read_group_id": read_group_id, "run_id": run_id, "lane": lane}
            self.reads += to_batch(READ_RECORDS, columns, constants).to_pylist()


def sam_fields(row: dict) -> list[str]:
    """The eleven mandatory SAM columns of a row of `alignments`."""
    mate = row["next_contig"] or "*"
    return [
        row["name"],
        str(row["flag"]),
        row["contig"] or "*",
        str((row["start"] if row["start"] is not None else -1) + 1),
        str(row["mapq"]),
        row["cigar"] or "*",
        "=" if mate == row["contig"] else mate,
        str((row["next_start"] if row["next_start"] is not None else -1) + 1),
        str(row["tlen"]),
        row["seq"] or "*",
        row["qual"] or "*",
    ]


names = st.text(
    st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="@"), min_size=1, max_size=20
)


@st.composite
def records(draw: st.DrawFn) -> str:
    name = draw(names)
    flag = draw(st.integers(0, 0xFFF))
    bases = draw(st.text("ACGTNMRSVWYHKDB=", max_size=12))
    quals = "".join(
        draw(
            st.lists(
                st.characters(min_codepoint=33, max_codepoint=126), min_size=len(bases), max_size=len(bases)
            )
        )
    )
    quals = quals if bases and quals != "*" and draw(st.booleans()) else "*"
    contig, pos = draw(st.sampled_from([("chr1", 1), ("chr1", 500), ("chr2", 1999), ("*", 0)]))
    cigar = "*"
    if bases and contig != "*" and not flag & 4:
        clip = draw(st.integers(0, len(bases) - 1))
        op = draw(st.sampled_from("M=X"))
        cigar = (
            (f"{clip}S" if clip else "")
            + f"{len(bases) - clip}{op}"
            + draw(st.sampled_from(["", "5D", "7N", "3P"]))
        )
    mate = draw(st.sampled_from([("*", 0), ("chr1", 7), ("=", 9)])) if contig != "*" else ("*", 0)
    tags = draw(
        st.lists(
            st.sampled_from(
                [
                    "RG:Z:g1",
                    "NM:i:3",
                    "XA:A:c",
                    "ZF:f:1.5",
                    "ZH:H:1AFF",
                    "ZB:B:s,-1,2,300",
                    "ZZ:Z:",
                    "Zi:i:-70000",
                    "RX:Z:ACG-T",
                ]
            ),
            unique=True,
        )
    )
    return sam_line(
        name,
        flag,
        contig,
        pos,
        draw(st.integers(0, 255)),
        cigar,
        mate,
        draw(st.integers(-999, 999)),
        bases or "*",
        quals,
        tags,
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(records(), max_size=12), chunk=st.integers(1, 200))
def test_every_field_is_what_samtools_shows(lines: list[str], chunk: int, tmp_path: Path) -> None:
    path = write_bam(tmp_path / "random.bam", lines)
    raw = raw_records(path)
    decoded = Decoded([raw[at : at + chunk] for at in range(0, len(raw), chunk)], tmp_path)
    assert decoded.problem is None
    shown = [line.split("\t")[:11] for line in sam_lines(path)]
    assert sorted(map(sam_fields, decoded.alignments)) == sorted(shown)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(records(), max_size=12))
def test_reads_are_the_primary_records_as_the_sequencer_read_them(lines: list[str], tmp_path: Path) -> None:
    path = write_bam(tmp_path / "random.bam", lines)
    expected = []
    for line in sam_lines(path):
        name, flag, *_, seq, qual = line.split("\t")[:11]
        if int(flag) & 0x900:
            continue
        if int(flag) & 0x10:
            seq = seq.translate(COMPLEMENT)[::-1]
            qual = qual[::-1]
        expected.append((name, 2 if int(flag) & 0xC0 == 0x80 else 1, seq, qual, bool(int(flag) & 0x200)))
    reads = Decoded([raw_records(path)], tmp_path).reads
    assert sorted(
        (read["name"], read["segment"], read["seq"] or "*", read["qual"] or "*", read["filtered"])
        for read in reads
    ) == sorted(expected)


def test_a_stream_may_be_cut_at_every_byte(tmp_path: Path) -> None:
    path = write_bam(tmp_path / "a.bam", [sam_line(f"r{n}", tags=["NM:i:0", "ZZ:Z:text"]) for n in range(3)])
    raw = raw_records(path)
    whole = Decoded([raw], tmp_path)
    for cut in range(len(raw) + 1):
        decoded = Decoded([raw[:cut], raw[cut:]], tmp_path)
        assert decoded.problem is None
        assert decoded.alignments == whole.alignments
        assert decoded.reads == whole.reads
    assert Decoded([bytes([byte]) for byte in raw], tmp_path).alignments == whole.alignments


def test_a_stream_that_ends_inside_a_record_is_truncated(tmp_path: Path) -> None:
    raw = raw_records(write_bam(tmp_path / "a.bam", [sam_line(), sam_line("r2")]))
    boundaries = {0, len(raw) // 2, len(raw)}
    for end in range(len(raw)):
        problem = Decoded([raw[:end]], tmp_path).problem
        assert (problem is None) == (end in boundaries)
        if problem is not None:
            assert problem[0] == "truncated"


def test_tags_are_the_bytes_of_the_file(tmp_path: Path) -> None:
    tags = [
        "NM:i:3",
        "Xc:i:-3",
        "XS:i:60000",
        "Xi:i:-70000",
        "XI:i:4000000000",
        "Xf:f:0.1",
        "Xb:B:C,1,2",
        "RG:Z:g1",
    ]
    path = write_bam(tmp_path / "a.bam", [sam_line(tags=tags)])
    (row,) = Decoded([raw_records(path)], tmp_path).alignments
    assert row["tags"] == raw_records(path)[-len(row["tags"]) :]
    assert row["tags"].startswith(b"NMC\x03Xcc\xfd")
    assert row["read_group_id"] == "S.g1"


def test_more_operations_than_a_cigar_field_holds(tmp_path: Path) -> None:
    cigar = "1M1I" * 40_000
    line = sam_line(pos=1, cigar=cigar, seq="A" * 80_000, qual="*", tags=["NM:i:5", "XX:Z:kept"])
    (row,) = Decoded([raw_records(write_bam(tmp_path / "long.bam", [line]))], tmp_path).alignments
    assert row["cigar"] == cigar
    assert row["end"] == 40_000
    assert row["tags"] == b"NMC\x05XXZkept\0"


def test_aligner_tags_stay_with_the_alignment_and_all_tags_with_an_unmapped_read(tmp_path: Path) -> None:
    tags = ["NM:i:3", "RX:Z:ACGT-TTTT", "BC:Z:AAA-CCC", "QT:Z:III JJJ", "MM:Z:C+m,0;", "RG:Z:g1"]
    path = write_bam(
        tmp_path / "a.bam", [sam_line("mapped", tags=tags), sam_line("not", 4, "*", 0, 0, "*", tags=tags)]
    )
    decoded = Decoded([raw_records(path)], tmp_path)
    mapped, unmapped = decoded.reads
    assert mapped["tags"] == b"RXZACGT-TTTT\0BCZAAA-CCC\0QTZIII JJJ\0MMZC+m,0;\0"
    assert unmapped["tags"] == decoded.alignments[1]["tags"]
    assert mapped["umi"] == "ACGT-TTTT"
    assert [mapped[f"index{n}_{what}"] for n in (1, 2) for what in ("seq", "qual")] == [
        "AAA",
        "III",
        "CCC",
        "JJJ",
    ]


def test_mates_stand_together_whatever_lies_between_them_and_however_little_memory(tmp_path: Path) -> None:
    count = 3000
    first = [sam_line(f"HS:1:FC:{n % 3 + 1}:1:{n}:1", 0x41, pos=n % 900 + 1) for n in range(count)]
    last = [
        sam_line(f"HS:1:FC:{n % 3 + 1}:1:{n}:1", 0x81, "chr2", n % 900 + 1) for n in reversed(range(count))
    ]
    lone = [sam_line(f"HS:1:FC:1:1:{n}:9", 0x81, "chr2", 1500) for n in range(5)]
    raw = raw_records(write_bam(tmp_path / "pairs.bam", [*first, *last, *lone]))
    roomy = Decoded([raw], tmp_path)
    tight = Decoded([raw], tmp_path, memory_bytes=1 << 16)
    hidden = Decoded([raw], tmp_path, memory_bytes=1 << 16, cipher=SpillCipher())
    assert (hidden.reads, hidden.alignments) == (tight.reads, tight.alignments)
    for decoded in (roomy, tight):
        reads = decoded.reads
        assert {read["run_id"] for read in reads} == {"HS_1_FC"}
        for lane in (1, 2, 3):
            of_lane = [(read["name"], read["segment"]) for read in reads if read["lane"] == lane]
            names = [name for name, segment in of_lane if segment == 1]
            assert len(names) == count // 3
            paired = [(name, segment) for name, segment in of_lane if not name.endswith(":9")]
            assert paired == [(name, segment) for name in names for segment in (1, 2)]
    key = lambda read: (read["name"], read["segment"])  # noqa: E731
    assert sorted(roomy.reads, key=key) == sorted(tight.reads, key=key)
    assert roomy.alignments == tight.alignments


def test_sorting_is_by_place_and_stable_in_any_memory(tmp_path: Path) -> None:
    places = [("chr2", 5), ("*", 0), ("chr1", 700), ("chr1", 5)]
    lines = [
        sam_line(f"r{n}", 0 if n % 4 != 1 else 4, *places[n % 4], cigar="*" if n % 4 == 1 else "10M")
        for n in range(4000)
    ]
    raw = raw_records(write_bam(tmp_path / "a.bam", lines))
    expected = [f"r{n}" for wanted in (3, 2, 0, 1) for n in range(4000) if n % 4 == wanted]
    for memory in (1 << 26, 1 << 16, 1 << 12):
        assert [row["name"] for row in Decoded([raw], tmp_path, memory_bytes=memory).alignments] == expected


def test_unsorted_records_are_told_when_they_were_to_stream(tmp_path: Path) -> None:
    raw = raw_records(write_bam(tmp_path / "a.bam", [sam_line("r1", pos=9), sam_line("r2", pos=8)]))
    decoded = Decoded([raw], tmp_path, order="stream")
    assert decoded.problem is not None
    assert decoded.problem[:3] == ("unsorted", 2, "r2")


@pytest.mark.parametrize(
    ("at", "value", "reason"),
    [
        (0, b"\x05\0\0\0", "block_size 5 is no size of a record"),
        (0, b"\xff\xff\xff\x7f", "block_size 2147483647"),
        (4, b"\x02\0\0\0", "refID"),
        (4, b"\xfe\xff\xff\xff", "refID"),
        (8, b"\xfe\xff\xff\xff", "position is negative"),
        (12, b"\x00", "read name"),
        (12, b"\x02", "read name"),
        (16, b"\xff\xff", "block_size is too small"),
        (20, b"\xff\xff\xff\xff", "l_seq is negative"),
        (20, b"\xff\xff\xff\x7f", "block_size is too small"),
        (24, b"\x09\0\0\0", "next_refID"),
        (36, b"\x01", "characters that cannot be printed"),
        (39, b"\x0f", "operation code"),
        (39, b"\x94", "different length"),
        (48, b"\x5e", "quality is above 93"),
        (60, b"?", "auxiliary field"),
    ],
)
def test_a_record_that_is_none_is_told_by_number_and_reason(
    at: int, value: bytes, reason: str, tmp_path: Path
) -> None:
    raw = raw_records(write_bam(tmp_path / "a.bam", [sam_line("r0"), sam_line("r1", tags=["NM:i:3"])]))
    second = int.from_bytes(raw[:4], "little") + 4
    broken = bytearray(raw)
    broken[second + at : second + at + len(value)] = value
    problem = Decoded([bytes(broken)], tmp_path).problem
    assert problem is not None
    assert problem[:2] == ("invalid", 2)
    assert reason in problem[3]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=6))
def test_damage_is_refused_or_harmless(changes: list[tuple[int, int]], tmp_path: Path) -> None:
    path = tmp_path / "sound.bam"
    if not path.exists():
        tags = ["NM:i:3", "XB:B:I,1,2,3", "XZ:Z:abc", "XX:A:c"]
        write_bam(path, [sam_line(f"r{n}", 0x41 if n % 2 else 0x81, tags=tags) for n in range(6)])
    raw = bytearray(raw_records(path))
    for at, value in changes:
        raw[at % len(raw)] = value
    decoded = Decoded([bytes(raw)], tmp_path)
    assert decoded.problem is None or decoded.problem[0] in ("invalid", "truncated")


def test_decoded_real_reads_are_those_of_samtools(shared_data: Path, tmp_path: Path) -> None:
    path = shared_data / "tiny_NA12878_chr22" / "NA12878.chr22.tiny.bam"
    with pysam.AlignmentFile(str(path), check_sq=False) as file:
        contigs = list(file.references)
    assert contigs == ["q"]
    decoded = Decoded([raw_records(path)], tmp_path)
    shown = [line.split("\t")[:11] for line in sam_lines(path)]
    renamed = [["q" if field == "chr1" else field for field in sam_fields(row)] for row in decoded.alignments]
    assert renamed == shown
