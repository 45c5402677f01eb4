"""Alignments as they come: odd CIGARs, flags, qualities and references change no call, and nothing breaks."""

import random
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pysam
import pytest

from baselake.catalog.catalog import Catalog, connect, create
from baselake.catalog.references import add_reference, open_reference
from baselake.compute.call import call_samples
from baselake.config import Config
from baselake.ingest.bam import ingest_bam
from tests.compute.reads import random_contig

LENGTH, READ = 4000, 100
CONTIG = random_contig(LENGTH, seed=11)
CONFIG = Config(threads=2, memory_bytes=1 << 30, commit_timeout_seconds=60)
EMPTY = random_contig(500, seed=12)  # a contig without reads


def other(base: str) -> str:
    return "ACGT"["ACGT".index(base) - 1]


@dataclass(frozen=True)
class Line:
    """A line of SAM; `pos` from 1."""

    name: str
    flag: int
    pos: int
    cigar: str
    seq: str
    qual: str
    mapq: int = 60
    contig: str = "20"
    tags: str = "RG:Z:g"

    def text(self) -> str:
        fields = (
            self.name,
            self.flag,
            self.contig,
            self.pos,
            self.mapq,
            self.cigar,
            "*",
            0,
            0,
            self.seq,
            self.qual,
        )
        return "\t".join([*map(str, fields), *([self.tags] if self.tags else [])])


# Position (from 0), reference, alternate, genotype.
VARIANTS = [
    (600, CONTIG[600], other(CONTIG[600]), "0/1"),
    (1200, CONTIG[1200], other(CONTIG[1200]), "1/1"),
    (1800, CONTIG[1800], CONTIG[1800] + "ACGG" + other(CONTIG[1800]), "0/1"),
    (2400, CONTIG[2400:2405], CONTIG[2400], "0/1"),
    (3000, CONTIG[3000:3003], CONTIG[3000], "1/1"),
]


def plain() -> list[Line]:
    """Reads of both copies of a person, 20x each, aligned as they should be, qualities of several values."""
    rng = random.Random(1)
    lines = []
    for copy in range(2):
        for number, start in enumerate(range(0, LENGTH - 2 * READ, 5)):
            seq, cigar, at = "", "", start
            for place, ref, alt, gt in VARIANTS:
                if (gt == "0/1" and copy == 0) or not start + 6 < place < start + READ - 12:
                    continue
                seq += CONTIG[at:place] + alt
                at = place + len(ref)
                kind, size = ("I", len(alt) - len(ref)) if len(alt) > len(ref) else ("D", len(ref) - len(alt))
                if size:
                    cigar = f"{place + 1 - start}M{size}{kind}"
            seq += CONTIG[at : at + READ - len(seq)]
            crossed = any(
                start - 12 < place < start + READ and not start + 6 < place < start + READ - 12
                for place, *_ in VARIANTS
            )
            if crossed:
                continue
            used = sum(int(size) for size in cigar.replace("I", "M").split("M")[:-1]) if "I" in cigar else 0
            used = used or (int(cigar.split("M")[0]) if cigar else 0)
            qual = "".join(chr(33 + rng.choice([25, 33, 37])) for _ in seq)
            lines.append(
                Line(f"c{copy}r{number}", 16 * (number % 2), start + 1, f"{cigar}{READ - used}M", seq, qual)
            )
    return lines


Change = Callable[[list[Line], random.Random], list[Line]]


def each(change: Callable[[Line], Line]) -> Change:
    return lambda lines, _: [change(line) for line in lines]


def with_equal_and_different(line: Line) -> Line:
    out, at, position = "", 0, line.pos - 1
    for size, kind in pysam_cigar(line.cigar):
        if kind == "M":
            for i in range(size):
                out += "1=" if line.seq[at + i] == CONTIG[position + i] else "1X"
        else:
            out += f"{size}{kind}"
        at += size * (kind in "MI")
        position += size * (kind in "MD")
    return replace(line, cigar=out)


def pysam_cigar(cigar: str) -> list[tuple[int, str]]:
    out, number = [], ""
    for letter in cigar:
        if letter.isdigit():
            number += letter
        else:
            out.append((int(number), letter))
            number = ""
    return out


def with_adapters(lines: list[Line], rng: random.Random) -> list[Line]:
    """A fifth of the reads go on into an adapter, which is clipped: at any place, of good quality."""
    out = []
    for line in lines:
        if rng.random() < 0.2 and line.cigar == f"{READ}M":
            keep = rng.randrange(40, 95)
            line = replace(
                line,
                cigar=f"{keep}M{READ - keep}S",
                seq=line.seq[:keep]
                + ("AGATCGGAAGAGCACACGTCTGAACTCCAGTCACGATCGATCTGATCGATTAGCATCGATTGCA")[: READ - keep],
            )
        out.append(line)
    return out


def with_random_clips(lines: list[Line], rng: random.Random) -> list[Line]:
    """A tenth of the reads are chimeras whose first part lies elsewhere."""
    out = []
    for line in lines:
        if rng.random() < 0.1 and line.cigar == f"{READ}M":
            lost = rng.randrange(10, 60)
            seq = "".join(rng.choices("ACGT", k=lost)) + line.seq[lost:]
            line = replace(line, cigar=f"{lost}S{READ - lost}M", seq=seq, pos=line.pos + lost)
        out.append(line)
    return out


def with_gaps_beside_ends(lines: list[Line], rng: random.Random) -> list[Line]:
    """Aligners leave insertions and deletions at ends, where they say nothing: a third of the reads."""
    out = []
    for line in lines:
        if rng.random() < 0.33 and line.cigar == f"{READ}M":
            line = replace(
                line,
                **rng.choice(
                    [
                        {"cigar": "3I97M", "pos": line.pos + 3},
                        {"cigar": "5S4I91M", "pos": line.pos + 9},
                        {"cigar": "97M3I"},
                        {"cigar": "90M4I6S"},
                        {"cigar": f"2D{READ}M", "pos": max(1, line.pos - 2)}
                        if line.pos > 3
                        else {"cigar": f"{READ}M"},
                        {"cigar": f"{READ}M2D"},
                    ]
                ),
            )
        out.append(line)
    return out


def with_useless_records(lines: list[Line], rng: random.Random) -> list[Line]:
    """Among the reads stand records that tell nothing, each with the alternate of its own."""
    out = list(lines)
    for number, place in enumerate(range(300, LENGTH - 300, 9)):
        seq = CONTIG[place : place + 50] + other(CONTIG[place + 50]) + CONTIG[place + 51 : place + READ]
        useless = Line(f"u{number}", 0, place + 1, f"{READ}M", seq, "I" * READ)
        out.append(
            replace(
                useless,
                **rng.choice(
                    [
                        {"flag": 0x4, "cigar": "*", "mapq": 0},
                        {"flag": 0x4, "cigar": f"{READ}M"},
                        {"flag": 0x100},
                        {"flag": 0x100, "seq": "*", "qual": "*"},
                        {"flag": 0x800, "cigar": f"20H{READ}M"},
                        {"flag": 0x200},
                        {"flag": 0x400},
                        {"mapq": 0},
                        {"cigar": f"{READ}S"},
                        {"cigar": f"{READ}I"},
                        {"cigar": "*"},
                        {"seq": "*", "qual": "*"},
                        {"seq": "N" * READ},
                        {"qual": "#" * READ},
                    ]
                ),
            )
        )
    return sorted(out, key=lambda line: line.pos)


def paired(flags: Callable[[int], tuple[int, int]]) -> Change:
    """Two neighbours of one copy are mates, with such flags."""

    def change(lines: list[Line], _: random.Random) -> list[Line]:
        out, waiting = [], {}
        for line in lines:
            copy, number = line.name.split("r")
            first = waiting.pop(copy, None)
            if first is None:
                waiting[copy] = line
                continue
            one, two = flags(int(number))
            out += [
                replace(first, flag=one | first.flag),
                replace(line, flag=two | line.flag, name=first.name),
            ]
        return sorted(out, key=lambda line: line.pos)

    return change


ODD: dict[str, Change] = {
    "plain": each(lambda line: line),
    "equal_and_different": each(with_equal_and_different),
    "hard_clips": each(lambda line: replace(line, cigar=f"7H{line.cigar}11H")),
    "padding": each(
        lambda line: replace(line, cigar=f"30M2P{READ - 30}M") if line.cigar == f"{READ}M" else line
    ),
    "split_matches": each(
        lambda line: replace(line, cigar=f"30M20M{READ - 50}M") if line.cigar == f"{READ}M" else line
    ),
    "no_qualities": each(lambda line: replace(line, qual="*")),
    "high_qualities": each(lambda line: replace(line, qual="~" * READ)),
    "no_read_groups": each(lambda line: replace(line, tags="")),
    "lower_case_bases": each(lambda line: replace(line, seq=line.seq.lower())),
    "adapters": with_adapters,
    "chimeras": with_random_clips,
    "gaps_beside_ends": with_gaps_beside_ends,
    "useless_records": with_useless_records,
    "mates": paired(lambda _: (0x43, 0x83)),
    "mates_without_segments": paired(lambda _: (0x1, 0x1)),
    "mates_of_both_segments": paired(lambda _: (0xC1, 0xC1)),
    "one_name_for_all": each(lambda line: replace(line, name="read")),
    "unknown_bases": lambda lines, rng: [
        replace(line, seq="".join("N" if rng.random() < 0.05 else base for base in line.seq))
        for line in lines
    ],
}
# IUPAC codes in reads are taken for N, as the SAM specification has them for an ambiguous base.
ODD["ambiguous_bases"] = lambda lines, rng: [
    replace(line, seq="".join(rng.choice("RYSWKM") if rng.random() < 0.05 else base for base in line.seq))
    for line in lines
]


def spelled_reference(name: str) -> str:
    """The contig as a FASTA may spell it: with lower case, ambiguous and unknown bases apart from the variants."""
    near = {at for place, ref, *_ in VARIANTS for at in range(place - 30, place + len(ref) + 30)}
    rng = random.Random(5)
    if name == "lower_case_reference":
        return CONTIG.lower()
    codes = {"ambiguous_reference": "RYSWKMB", "unknown_reference": "N"}[name]
    return "".join(
        rng.choice(codes) if at not in near and rng.random() < 0.03 else base
        for at, base in enumerate(CONTIG)
    )


REFERENCES = ("lower_case_reference", "ambiguous_reference", "unknown_reference")


def write(folder: Path, name: str, lines: list[Line]) -> Path:
    header = f"@HD\tVN:1.6\tSO:coordinate\n@SQ\tSN:none\tLN:{len(EMPTY)}\n@SQ\tSN:20\tLN:{LENGTH}\n"
    groups = f"@RG\tID:g\tSM:{name}\n" if lines[0].tags else ""
    text = folder / f"{name}.sam"
    text.write_text(header + groups + "".join(f"{line.text()}\n" for line in lines))
    bam = folder / f"{name}.bam"
    pysam.sort("-o", str(bam), str(text))
    pysam.index(str(bam))
    return bam


def write_fasta(path: Path, bases: str) -> Path:
    path.write_text(f">none\n{EMPTY}\n>20\n{bases}\n")
    pysam.faidx(str(path))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("odd")


@pytest.fixture(scope="module")
def lake(folder: Path) -> Iterator[Catalog]:
    """A lake with a sample of each kind."""
    create(folder / "lake", CONFIG)
    with connect(folder / "lake", CONFIG) as catalog:
        add_reference(catalog, write_fasta(folder / "plain.fa", CONTIG), "plain")
        for name, change in ODD.items():
            ingest_bam(catalog, [write(folder, name, change(plain(), random.Random(2)))], sample=name)
        yield catalog


def called(catalog: Catalog, sample: str, reference: str) -> list[tuple[int, str, str, str]]:
    call_samples(catalog, [sample], open_reference(catalog, reference))
    rows = catalog.query(
        "SELECT g.start, ref, alt, replace(gt, '|', '/') AS gt"
        " FROM genotypes AS g JOIN variants USING (reference, variant_id)"
        " WHERE reference = $reference AND sample_id = $sample AND len(filters) = 0 ORDER BY g.start, ref, alt",
        {"reference": reference, "sample": sample},
    )
    return [tuple(row.values()) for row in rows.to_pylist()]


def peers_calls(vcf: str) -> list[tuple[int, str, str, str]]:
    out = []
    for line in vcf.splitlines():
        if not line.startswith("#"):
            _, pos, _, ref, alt, *_, sample = line.split("\t")
            out.append(
                (int(pos) - 1, ref, alt, "/".join(sorted(sample.split(":")[0].replace("|", "/").split("/"))))
            )
    return out


def normal(variants: list[tuple[int, str, str, str]]) -> list[tuple[int, str, str, str]]:
    return [(start, ref.upper(), alt.upper(), gt) for start, ref, alt, gt in variants]


@pytest.mark.parametrize("name", ODD)
def test_no_oddity_of_alignments_changes_a_call(lake: Catalog, name: str) -> None:
    assert called(lake, name, "plain") == VARIANTS


@pytest.mark.parametrize("name", ["equal_and_different", "adapters", "gaps_beside_ends", "unknown_bases"])
def test_freebayes_and_bcftools_call_the_same(
    lake: Catalog, folder: Path, name: str, peer: Callable[[str], str]
) -> None:
    fasta, bam = folder / "plain.fa", folder / f"{name}.bam"
    scripts = (
        f"{peer('freebayes')} -f {fasta} {bam} | {peer('bcftools')} view -i 'QUAL>=20'",
        f"{peer('bcftools')} mpileup -f {fasta} {bam} 2>/dev/null | {peer('bcftools')} call -mv",
    )
    for script in scripts:
        found = subprocess.run(
            ["bash", "-o", "pipefail", "-c", f"{script} | {peer('bcftools')} norm -f {fasta} -"],
            check=True,
            capture_output=True,
            text=True,
        )
        assert peers_calls(found.stdout) == called(lake, name, "plain")


@pytest.mark.parametrize("name", REFERENCES)
def test_no_spelling_of_the_reference_changes_a_call(folder: Path, tmp_path: Path, name: str) -> None:
    create(tmp_path / "lake", CONFIG)
    with connect(tmp_path / "lake", CONFIG) as catalog:
        add_reference(catalog, write_fasta(tmp_path / "odd.fa", spelled_reference(name)), name)
        ingest_bam(catalog, [write(tmp_path, name, plain())])
        assert normal(called(catalog, name, name)) == VARIANTS
