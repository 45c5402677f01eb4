"""Alleles that are named by HGVS: where they lie on the assembly, by the gene models of the lake.

Source: HGVS nomenclature (den Dunnen et al. 2016, doi:10.1002/humu.22981; hgvs-nomenclature.org). What is read:
substitutions, deletions, duplications, insertions, deletion-insertions and inversions of g., m., c. and n., and
substitutions of one residue of p., which stand for all changes of one codon that make them. All else is not resolved.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import product

_NAME = re.compile(r"([^:\s]+?)(?:\([^()]*\))?:([gmcnp])\.(.+)")
_PLACE = r"([-*]?\d+)([+-]\d+)?"
_EDIT = re.compile(
    rf"{_PLACE}(?:_{_PLACE})?(?:([ACGT]+)>([ACGT]+)|del([ACGT]*)ins([ACGT]+)|(del|dup|inv)([ACGT]*)|ins([ACGT]+))"
)
_RESIDUE = re.compile(r"\(?([A-Z][a-z]{2}|[A-Z*])(\d+)([A-Z][a-z]{2}|[A-Z*]|=)\)?")
_COMPLEMENT = str.maketrans("ACGT", "TGCA")
_THREE = dict(
    zip(
        re.findall("...", "AlaCysAspGluPheGlyHisIleLysLeuMetAsnProGlnArgSerThrValTrpTyrTerSec"),
        "ACDEFGHIKLMNPQRSTVWY*U",
        strict=True,
    )
)
_CODONS = ["".join(codon) for codon in product("TCAG", repeat=3)]
# NCBI's translation tables 1 and 2, in the order of the codons.
_STANDARD = dict(
    zip(_CODONS, "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG", strict=True)
)
_VERTEBRATE = _STANDARD | {"TGA": "W", "ATA": "M", "AGA": "*", "AGG": "*"}
_MITOCHONDRIAL = frozenset({"M", "MT", "chrM", "chrMT"})
# RefSeq's accessions of the human chromosomes begin so: NC_000001 to NC_000024, the last two X and Y.
_REFSEQ = re.compile(r"NC_0000(\d\d)\.\d+")

# Bases of a contig of the assembly, [start, end), 0-based, upper case.
Bases = Callable[[str, int, int], str]


class Unresolved(Exception):
    """Why a name stands for no allele; it is counted and told, and is no error of the import."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """A row of `transcripts`: `exons` ascend on the contig, [start, end), 0-based; `cds` likewise, where it has one."""

    contig: str
    strand: str
    exons: tuple[tuple[int, int], ...]
    cds: tuple[int, int] | None
    phase: int

    def places(self) -> list[int]:
        """Places on the contig of the spliced transcript's bases, in the order of transcription."""
        places = [place for start, end in self.exons for place in range(start, end)]
        return places if self.strand == "+" else places[::-1]


@dataclass(frozen=True, slots=True)
class Allele:
    """An allele as VCF spells it: `position` from 1."""

    contig: str
    position: int
    ref: str
    alt: str


class Resolver:
    """Resolves names, one after another.

    Args:
        contigs: the assembly's contigs by each name that a file may use.
        transcripts: as `by_identifier` has them.
        bases: of the assembly.
    """

    def __init__(
        self, contigs: Mapping[str, str], transcripts: Mapping[str, Transcript], bases: Bases
    ) -> None:
        self._contigs = contigs
        self._transcripts = transcripts
        self._bases = bases
        self._spliced: dict[int, list[int]] = {}

    def alleles(self, name: str) -> list[Allele]:
        """What a name stands for: one allele, of p. perhaps several.

        Raises:
            Unresolved: nothing that is known.
        """
        match = _NAME.fullmatch(name.strip())
        if match is None:
            raise Unresolved("it is not written as ACCESSION:c.CHANGE")
        accession, kind, change = match.groups()
        if kind == "p":
            return list(self._of_protein(self._transcript(accession), change))
        edit = _EDIT.fullmatch(change)
        if edit is None:
            raise Unresolved("the change is of no kind that is read")
        if kind in "gm":
            contig = self._contig(accession)
            first, last = self._on_contig(edit[1], edit[2]), self._on_contig(edit[3] or edit[1], edit[4])
            strand = "+"
        else:
            transcript = self._transcript(accession)
            contig, strand = transcript.contig, transcript.strand
            first = self._on_transcript(transcript, kind, edit[1], edit[2])
            last = self._on_transcript(transcript, kind, edit[3] or edit[1], edit[4] if edit[3] else edit[2])
        if strand == "-":
            first, last = last, first
        if last < first:
            raise Unresolved("it ends before it begins")
        return [self._edited(contig, strand, first, last, edit)]

    def _edited(self, contig: str, strand: str, first: int, last: int, edit: "re.Match[str]") -> Allele:
        _, _, second, _, old, new, removed, put, word, said, inserted = edit.groups()
        if inserted is not None:
            if second is None or last != first + 1:
                raise Unresolved("an insertion is not between two neighbours")
            return self._spelled(contig, last, last, _read(inserted, strand))
        there = self._bases(contig, first, last + 1)
        named = old or removed or said
        if named and _read(named, strand) != there:
            raise Unresolved("the assembly has other bases there")
        if old is not None:
            changed = _read(new, strand)
        elif put is not None:
            changed = _read(put, strand)
        elif word == "dup":
            return self._spelled(contig, last + 1, last + 1, there)
        else:
            changed = "" if word == "del" else there.translate(_COMPLEMENT)[::-1]
        return self._spelled(contig, first, last + 1, changed)

    def _spelled(self, contig: str, start: int, end: int, new: str) -> Allele:
        old = self._bases(contig, start, end)
        if old == new:
            raise Unresolved("nothing changes")
        if not old or not new:  # VCF has an anchor base before it, or after it at the contig's beginning
            if start:
                start -= 1
                anchor = self._bases(contig, start, start + 1)
                old, new = anchor + old, anchor + new
            else:
                anchor = self._bases(contig, end, end + 1)
                old, new = old + anchor, new + anchor
        if re.fullmatch("[ACGT]+", old) is None:
            raise Unresolved("the assembly has no bases there")
        return Allele(contig, start + 1, old, new)

    def _contig(self, accession: str) -> str:
        match = _REFSEQ.fullmatch(accession)
        number = int(match[1]) if match else 0
        name = {23: "X", 24: "Y"}.get(number, str(number)) if match else accession
        if name not in self._contigs:
            raise Unresolved(f"the assembly has no contig {accession}")
        return self._contigs[name]

    def _transcript(self, accession: str) -> Transcript:
        stem, dot, _ = accession.partition(".")
        # Of models without versions any will do, as any version of the models for a name without one.
        for name in (accession, stem if dot else f"{stem}."):
            if name in self._transcripts:
                return self._transcripts[name]
        raise Unresolved(f"the gene models have no {accession}")

    def _on_contig(self, number: str, offset: str | None) -> int:
        if offset is not None or not number.isdigit():
            raise Unresolved("the position is none of a contig")
        return int(number) - 1

    def _places(self, transcript: Transcript) -> list[int]:
        return self._spliced.setdefault(id(transcript), transcript.places())

    def _on_transcript(self, transcript: Transcript, kind: str, number: str, offset: str | None) -> int:
        places = self._places(transcript)
        step = 1 if transcript.strand == "+" else -1
        if kind == "n":
            if not number.isdigit():
                raise Unresolved("the position is none of n.")
            at = int(number) - 1
        else:
            first, last = self._coding(transcript)
            value = int(number.removeprefix("*"))
            at = last + value if number.startswith("*") else first + value - (value > 0)
        if not 0 <= at < len(places) or number.lstrip("-*") == "0":
            raise Unresolved("the position is beyond the transcript")
        place = places[at]
        if offset is None:
            return place
        beside = at + 1 if offset.startswith("+") else at - 1
        if not 0 <= beside < len(places) or abs(int(offset)) >= abs(places[beside] - place):
            raise Unresolved("the position is in no intron")
        return place + step * int(offset)

    def _coding(self, transcript: Transcript) -> tuple[int, int]:
        """The first and the last base of the CDS in the spliced transcript."""
        if transcript.cds is None:
            raise Unresolved("the transcript has no CDS")
        places = self._places(transcript)
        ends = places.index(transcript.cds[0]), places.index(transcript.cds[1] - 1)
        return min(ends), max(ends)

    def _of_protein(self, transcript: Transcript, change: str) -> Iterator[Allele]:
        match = _RESIDUE.fullmatch(change)
        if match is None:
            raise Unresolved("of proteins only substitutions of one residue are read")
        old, new = (_THREE.get(word, word) for word in (match[1], match[3]))
        first, last = self._coding(transcript)
        # A codon that is cut at the start of the CDS is a residue, too.
        at = first + transcript.phase + 3 * (int(match[2]) - 1 - (transcript.phase > 0))
        if at < first or at + 2 > last:
            raise Unresolved("the residue is beyond the protein")
        places = self._places(transcript)[at : at + 3]
        code = _VERTEBRATE if transcript.contig in _MITOCHONDRIAL else _STANDARD
        codon = "".join(
            _read(self._bases(transcript.contig, place, place + 1), transcript.strand) for place in places
        )
        if code.get(codon) != old:
            raise Unresolved("the assembly has another residue there")
        if new == "=":
            new = old
        found = False
        for other, residue in code.items():
            if residue != new or other == codon:
                continue
            changed = [n for n in range(3) if other[n] != codon[n]]
            span = range(changed[0], changed[-1] + 1)
            if abs(places[span[-1]] - places[span[0]]) != len(span) - 1:
                continue  # an intron lies between: no one allele
            found = True
            start = min(places[n] for n in span)
            text = _read("".join(other[n] for n in span), transcript.strand)
            yield self._spelled(transcript.contig, start, start + len(span), text)
        if not found:
            raise Unresolved("no change of the codon makes that residue")


def by_identifier(
    transcripts: Iterable[tuple[str, str | None, Transcript]],
) -> dict[str, Transcript]:
    """Transcripts by their own and their proteins' identifiers, and by these with the version cut off behind the dot.

    A name of another version than the gene models have finds nothing: its positions may be other ones.
    """
    found: dict[str, Transcript] = {}
    for transcript_id, protein_id, transcript in transcripts:
        for name in (transcript_id, protein_id):
            if name:
                found.setdefault(name, transcript)
    for name, transcript in list(found.items()):
        found.setdefault(f"{name.partition('.')[0]}.", transcript)
    return found


def _read(bases: str, strand: str) -> str:
    """Bases of a transcript as the contig has them, and the other way round."""
    return bases if strand == "+" else bases.translate(_COMPLEMENT)[::-1]
