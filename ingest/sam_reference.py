"""Which registered assembly the alignments of a file are on."""

from collections.abc import Sequence
from dataclasses import dataclass

from baselake.catalog.references import Reference
from baselake.errors import InputError
from baselake.ingest.sam_stream import BamHeader
from baselake.lake.sam_header import lines_of, parse_header

_REGISTER = "Register the assembly it was aligned to with: baselake reference add FASTA --name NAME"


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """The outcome of matching a header with the registered assemblies.

    Attributes:
        reference: the assembly; None where none fits, which only matters once a record is placed.
        error: what to raise then.
    """

    reference: Reference | None
    error: InputError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Comparison:
    """How one assembly compares: contigs in common, those whose M5 agrees, and the first that differs."""

    shared: int
    same_md5: int
    wrong_length: str
    wrong_md5: str


def match_reference(
    header: BamHeader, references: Sequence[Reference], chosen: str | None, path: str
) -> Match:
    """Find the assembly whose contigs are the header's @SQ lines by name, length and, where given, M5.

    A header may name contigs the assembly lacks, as long as no record lies there. An assembly chosen by name may
    differ in M5, which masked copies of an assembly do; one found may not.

    Args:
        header: the file's.
        references: the candidates: the chosen one, or all.
        chosen: the name the user gave; None: find it.
        path: of the file, for errors.
    """
    compared = [(reference, _compare(header, reference)) for reference in references]
    fitting = [
        (result.same_md5, result.shared, reference)
        for reference, result in compared
        if result.shared and not result.wrong_length and (chosen is not None or not result.wrong_md5)
    ]
    if not fitting:
        return Match(reference=None, error=_no_match(header, compared, path))
    best = max(fitting, key=lambda fit: fit[:2])
    equal = sorted(reference.name for *score, reference in fitting if tuple(score) == best[:2])
    if len(equal) > 1:
        return Match(
            reference=None,
            error=InputError(
                f"its contigs are those of {' and of '.join(equal)}", path, "Choose one with --reference NAME"
            ),
        )
    return Match(reference=best[2], error=None)


def _compare(header: BamHeader, reference: Reference) -> _Comparison:
    md5s = {
        line.get("SN"): line["M5"].lower()
        for line in lines_of(parse_header(header.text), "SQ")
        if "M5" in line
    }
    known = {contig.name: contig for contig in reference.contigs}
    shared = same = 0
    wrong_length = wrong_md5 = ""
    for name, length in header.contigs:
        contig = known.get(name)
        if contig is None:
            continue
        shared += 1
        if contig.length != length:
            wrong_length = wrong_length or (
                f"contig {name} has {length:,} bases in the file and {contig.length:,} in reference {reference.name}"
            )
        elif name in md5s:
            same += md5s[name] == contig.md5
            if md5s[name] != contig.md5:
                wrong_md5 = wrong_md5 or (
                    f"contig {name} has M5 {md5s[name]} in the file and {contig.md5} in reference {reference.name}"
                )
    return _Comparison(shared=shared, same_md5=same, wrong_length=wrong_length, wrong_md5=wrong_md5)


def _no_match(header: BamHeader, compared: Sequence[tuple[Reference, _Comparison]], path: str) -> InputError:
    for reference, result in compared:
        if result.wrong_length:
            return InputError(result.wrong_length, path, _REGISTER)
        if result.wrong_md5:
            return InputError(
                result.wrong_md5,
                path,
                f"{_REGISTER}, or say that it is the same with --reference {reference.name}",
            )
    if not header.contigs:
        return InputError(
            "its header has no @SQ line", path, "Give the file its header with samtools reheader"
        )
    names = ", ".join(reference.name for reference, _ in compared)
    lacking = (
        f"no registered reference ({names}) has contig"
        if names
        else "no reference is registered that has contig"
    )
    return InputError(f"{lacking} {header.contigs[0][0]}", path, _REGISTER)
