"""A sample's calls and reference blocks as gVCF: every base of the reference is of a record, and of one block at most.

The unspecified alternate is spelled `<*>` (VCF 4.3, section 5.5). What the lake says nothing of, a contig without
alignments or a region that was not called, is a record without a genotype. Positions are 1-based here.
"""

import heapq
import math
from collections.abc import Iterable, Iterator
from math import comb
from pathlib import Path

from baselake.catalog.catalog import Catalog
from baselake.catalog.export.records import Imported, imported_header, imported_lines, imported_sources
from baselake.catalog.export.vcf import CALL_FIELDS, call_lines, header, write_lines
from baselake.catalog.references import Reference
from baselake.lake.region import Region

_FIELDS = """\
##ALT=<ID=*,Description="Any alternate that was not called">
##INFO=<ID=END,Number=1,Type=Integer,Description="Last base of the block">
##FORMAT=<ID=MIN_DP,Number=1,Type=Integer,Description="Least depth of the block">
"""

_LONGEST = 99_999
"""Bases of a block: GLnexus passes over records of 100,000 and more."""

_MAX_GQ = 99
_ERROR = 30  # phred of a fragment that shows the reference where there is none

# Order of a record: contig by its place in the reference, start, and a call before a block.
_Keyed = tuple[tuple[int, int, int], int, str]


def export_gvcf(
    catalog: Catalog, sample: str, reference: Reference, path: Path, region: Region | None = None
) -> int:
    """Write a sample's calls and what lies between them; the number of records.

    Args:
        catalog: the lake.
        sample: whose calls.
        reference: the assembly they are on.
        path: `.g.vcf.gz` or another name in `.vcf.gz` (bgzipped, indexed) or `.vcf`; appears when it is whole.
        region: only there; blocks are cut at its ends, calls that overlap it are whole.

    Raises:
        InputError: the path has another ending.
        StorageError: the disk is full or fails.
    """
    return write_lines(path, reference, _chunks(catalog, sample, reference, region))


def _chunks(
    catalog: Catalog, sample: str, reference: Reference, region: Region | None
) -> Iterator[tuple[bytes, int]]:
    imported = imported_sources(catalog, (sample,), reference, region)
    if imported is None:
        yield header(catalog, sample, reference, _FIELDS).encode(), 0
    else:
        yield imported_header(catalog, imported, reference, CALL_FIELDS + _FIELDS).encode(), 0
    order = {contig: place for place, contig in enumerate(reference.lengths)}
    calls = _calls(_lines(catalog, sample, imported, reference, region), order)
    blocks = _blocks(catalog, sample, reference, region, order)
    held: list[str] = []
    for line in _whole(heapq.merge(calls, blocks), reference, region):
        held.append(line)
        if len(held) == 10_000:
            yield "".join(held).encode(), len(held)
            held = []
    yield "".join(held).encode(), len(held)


def _lines(
    catalog: Catalog, sample: str, imported: Imported | None, reference: Reference, region: Region | None
) -> Iterator[str]:
    if imported is None:
        yield from call_lines(catalog, sample, reference, region)
        return
    for text, _ in imported_lines(catalog, imported, reference, region):
        yield from text.decode().splitlines(keepends=True)


def _calls(lines: Iterable[str], order: dict[str, int]) -> Iterator[_Keyed]:
    for line in lines:
        fields = line.rstrip("\n").split("\t")
        start = int(fields[1]) - 1
        if fields[4] == ".":
            continue  # the site is in a block
        yield (order[fields[0]], start, 0), start + len(fields[3]), _with_unspecified(fields)


def _with_unspecified(fields: list[str]) -> str:
    """A call's line with `<*>` as its last alternate.

    No read was asked about it: it is as unlikely as the least likely genotype of the alleles that were. A line that was
    imported from a gVCF has one already.
    """
    if fields[4].endswith(("<*>", "<NON_REF>")):
        return "\t".join(fields) + "\n"
    names, values = fields[8].split(":"), fields[9].split(":")
    figures = dict(zip(names, values, strict=True))
    alleles = 2 + fields[4].count(",")
    if figures.get("AD", ".") != ".":
        figures["AD"] += ",0"
    if figures.get("AF", ".") != ".":
        figures["AF"] += ",0"
    if figures.get("PL", ".") != ".":
        likelihoods = figures["PL"].split(",")
        # Genotypes are ordered by their greatest allele first, so those with a further one come last.
        genotypes = comb(alleles + len(figures["GT"].replace("|", "/").split("/")), alleles)
        worst = str(max(map(int, likelihoods)))
        figures["PL"] = ",".join(likelihoods + [worst] * (genotypes - len(likelihoods)))
    line = [*fields[:4], f"{fields[4]},<*>", *fields[5:9], ":".join(figures[name] for name in names)]
    return "\t".join(line) + "\n"


def _blocks(
    catalog: Catalog, sample: str, reference: Reference, region: Region | None, order: dict[str, int]
) -> Iterator[_Keyed]:
    bounds = {
        "contig": region.contig if region else None,
        "start": region.start if region else None,
        "end": region.end if region else None,
    }
    params = {"reference": reference.name, "sample": sample, **bounds}
    for batch in catalog.stream(catalog.statement("export_blocks"), params):
        columns = [
            batch[name].to_pylist()
            for name in ("contig", "start", "end", "ploidy", "gap", "gq", "dp", "min_dp")
        ]
        for contig, start, end, ploidy, gap, gq, dp, min_dp in zip(*columns, strict=True):
            if gap is not None:
                continue  # as what the lake says nothing of
            figures = [
                "/".join(["0"] * ploidy),
                *("." if figure is None else str(figure) for figure in (dp, gq, min_dp)),
                _likelihoods(ploidy, gq, min_dp),
            ]
            for at in range(start, end, _LONGEST):
                piece = min(at + _LONGEST, end)
                line = _block(reference, contig, at, piece, f"GT:DP:GQ:MIN_DP:PL\t{':'.join(figures)}")
                yield (order[contig], at, 1), piece, line


def _likelihoods(ploidy: int, gq: int | None, min_dp: int | None) -> str:
    """PL of a block over the reference and the unspecified allele: about the least that any of its bases has.

    One copy of something else is what the block's GQ speaks against. That every copy is something else makes errors of
    all fragments that show the reference, as the caller counts them (`MIN_ERROR_COST`), and none of those that do not:
    what these take from GQ is taken twice. An imported block may lack GQ or depth, and has none then.
    """
    if gq is None or ploidy > 2:
        return "."
    if ploidy == 1:
        return f"0,{gq}"
    if min_dp is None:
        return "."
    differing = max(0, min(_MAX_GQ, math.floor(10 * math.log10(2) * min_dp)) - gq)
    return f"0,{gq},{max(gq, _ERROR * min_dp - 2 * differing)}"


def _block(reference: Reference, contig: str, start: int, end: int, figures: str) -> str:
    base = chr(reference.bases(contig, start, start + 1)[0])
    # VCF has no IUPAC codes but N.
    base = base if base in "ACGT" else "N"
    return f"{contig}\t{start + 1}\t.\t{base}\t<*>\t.\t.\tEND={end}\t{figures}\n"


def _whole(records: Iterable[_Keyed], reference: Reference, region: Region | None) -> Iterator[str]:
    """The records' lines, and lines without a genotype for all bases of the reference that none has."""
    wanted = (
        [(region.contig, region.start, region.end)]
        if region is not None
        else [(contig, 0, length) for contig, length in reference.lengths.items()]
    )
    order = {contig: place for place, contig in enumerate(reference.lengths)}
    coming = iter(records)
    record = next(coming, None)
    for contig, at, end in wanted:
        while record is not None and record[0][0] == order[contig]:
            (_, start, _), stop, line = record
            if at < start:
                yield _block(reference, contig, at, start, "GT:DP\t./.:0")
            yield line
            at = max(at, stop)
            record = next(coming, None)
        if at < end:
            yield _block(reference, contig, at, end, "GT:DP\t./.:0")
