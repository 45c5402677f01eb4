"""A sample's calls as VCF 4.3: alternates of one site joined again, bgzipped and indexed.

Positions are 1-based here and nowhere else.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.connection import RELEASE
from baselake.catalog.export.files import replacing
from baselake.catalog.export.records import (
    Imported,
    imported_file,
    imported_header,
    imported_lines,
    imported_sources,
    reference_of,
)
from baselake.catalog.references import Reference, open_reference
from baselake.errors import InputError
from baselake.lake.region import Region, parse_region
from baselake.lake.variants import FILTERS

CALL_FIELDS = """\
##INFO=<ID=MQ,Number=1,Type=Float,Description="Root mean square mapping quality">
##INFO=<ID=FS,Number=1,Type=Float,Description="Phred-scaled p-value of Fisher's exact test for strand bias">
##INFO=<ID=ReadPosRankSum,Number=1,Type=Float,Description="Z-score of alternate against reference place in read">
##INFO=<ID=BaseQRankSum,Number=1,Type=Float,Description="Z-score of alternate against reference base quality">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=GQ,Number=1,Type=Integer,Description="Genotype quality, phred">
##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Reads that took part">
##FORMAT=<ID=AD,Number=R,Type=Integer,Description="Reads of each allele">
##FORMAT=<ID=AF,Number=A,Type=Float,Description="Fraction of the copies that have each alternate">
##FORMAT=<ID=PL,Number=G,Type=Integer,Description="Phred-scaled genotype likelihoods">
##FORMAT=<ID=SB,Number=4,Type=Integer,Description="Reads: ref forward, ref reverse, alt forward, alt reverse">
##FORMAT=<ID=PS,Number=1,Type=Integer,Description="Phase set">
"""
_SITE = pa.schema(
    [
        ("contig", pa.string()),
        ("start", pa.int32()),
        ("ref", pa.string()),
        ("alt", pa.string()),
        ("qual", pa.float32()),
        ("filters", pa.list_(pa.string())),
        ("mq", pa.float32()),
        ("fs", pa.float32()),
        ("read_pos_rank_sum", pa.float32()),
        ("base_q_rank_sum", pa.float32()),
        ("gt", pa.string()),
        ("gq", pa.int32()),
        ("dp", pa.int32()),
        ("ad", pa.string()),
        ("pl", pa.string()),
        ("sb", pa.string()),
        ("ps", pa.int32()),
    ]
)
# A .tbi index reaches 2^29 bases (tabix specification); longer contigs need .csi.
_TBI_LIMIT = 1 << 29


def export_vcf(
    catalog: Catalog,
    samples: str | Sequence[str],
    reference: Reference,
    path: Path,
    region: Region | None = None,
) -> int:
    """Write samples' calls; the number of records.

    Calls that were imported come out as the records that they came in.

    Args:
        catalog: the lake.
        samples: whose calls; several only where they were imported together.
        reference: the assembly they are on.
        path: `.vcf.gz` (bgzipped, indexed) or `.vcf`; appears when it is whole.
        region: only records that overlap it.

    Raises:
        InputError: the path has another ending, or the samples' calls do not come from the same files.
        StorageError: the disk is full or fails.
    """
    names = (samples,) if isinstance(samples, str) else tuple(samples)
    imported = imported_sources(catalog, names, reference, region)
    if imported is not None:
        return write_lines(path, reference, _imported_chunks(catalog, imported, reference, region))
    if len(names) > 1:
        raise InputError(
            "each sample was called by itself",
            f"sample {', '.join(names)}",
            "Export each by itself, then: bcftools merge",
        )
    return write_lines(path, reference, _chunks(catalog, names[0], reference, region))


def export_source(
    catalog: Catalog, name: str, path: Path, reference: str | None = None, region: str | None = None
) -> int:
    """Write an imported file's records as they came in, with all its samples or with none; the number of records.

    Args:
        catalog: the lake.
        name: which: see `imported_file`.
        path: as `export_vcf` has it.
        reference: the assembly; None: the one that the records are on, of a file without records the only one.
        region: only records that overlap it, as people type it.

    Raises:
        NotFoundError: no such file was imported.
        InputError: several files are called so, its records are on another assembly, or the path has another ending.
        StorageError: the disk is full or fails.
    """
    imported = imported_file(catalog, name)
    found = reference_of(catalog, imported)
    if None not in (found, reference) and found != reference:
        raise InputError(f"its records are on {found}", name, f"Leave --reference {reference} out")
    assembly = open_reference(catalog, found or reference)
    where = parse_region(region, assembly.lengths) if region is not None else None
    return write_lines(path, assembly, _imported_chunks(catalog, imported, assembly, where))


def _imported_chunks(
    catalog: Catalog, imported: Imported, reference: Reference, region: Region | None
) -> Iterator[tuple[bytes, int]]:
    yield imported_header(catalog, imported, reference).encode(), 0
    yield from imported_lines(catalog, imported, reference, region)


def write_lines(path: Path, reference: Reference, chunks: Iterator[tuple[bytes, int]]) -> int:
    """Write the text of a VCF file, bgzipped and indexed where its name says so; the number of records.

    Args:
        path: `.vcf.gz` or `.vcf`; appears when it is whole.
        reference: the assembly, whose longest contig decides the kind of index.
        chunks: text in order, and the number of records in each piece.

    Raises:
        InputError: the path has another ending.
        StorageError: the disk is full or fails.
    """
    if not path.name.endswith((".vcf", ".vcf.gz")):
        raise InputError("not a VCF file's name", str(path), "End it in .vcf.gz or .vcf")
    count = 0
    if path.name.endswith(".vcf"):
        with replacing(path) as temporary, open(temporary, "wb") as out:
            for chunk, records in chunks:
                out.write(chunk)
                count += records
        return count

    import pysam

    long = max(reference.lengths.values()) > _TBI_LIMIT
    with replacing(path, ".tbi", ".csi") as temporary:
        with pysam.BGZFile(str(temporary), "wb") as out:
            for chunk, records in chunks:
                out.write(chunk)
                count += records
        pysam.tabix_index(str(temporary), preset="vcf", csi=long, force=True, keep_original=True)
    return count


def _chunks(
    catalog: Catalog, sample: str, reference: Reference, region: Region | None
) -> Iterator[tuple[bytes, int]]:
    """The file's text in order, and the number of records in each piece."""
    yield header(catalog, sample, reference).encode(), 0
    for lines in _line_batches(catalog, sample, reference, region):
        yield "".join(lines).encode(), len(lines)


def call_lines(catalog: Catalog, sample: str, reference: Reference, region: Region | None) -> Iterator[str]:
    """A data line of VCF for each site of a sample, in order."""
    for lines in _line_batches(catalog, sample, reference, region):
        yield from lines


def _line_batches(
    catalog: Catalog, sample: str, reference: Reference, region: Region | None
) -> Iterator[list[str]]:
    params: dict[str, object] = {
        "reference": reference.name,
        "sample": sample,
        "contig": region.contig if region else None,
        "start": region.start if region else None,
        "end": region.end if region else None,
    }
    sites = _multi_allelic_sites(catalog.query(catalog.statement("multi_allelic_calls"), params).to_pylist())
    tables = {"multi_allelic_sites": pa.Table.from_pylist(sites, schema=_SITE)}
    for batch in catalog.stream(catalog.statement("export_vcf"), params, tables=tables):
        yield batch["line"].to_pylist()


def header(catalog: Catalog, sample: str, reference: Reference, fields: str = "") -> str:
    """The header of a sample's VCF, with lines for further fields."""
    used = catalog.query(
        "SELECT DISTINCT unnest(filters) AS name FROM genotypes WHERE reference = $reference AND sample_id = $sample",
        {"reference": reference.name, "sample": sample},
    )["name"].to_pylist()
    snapshot = catalog.query("SELECT id FROM lake.current_snapshot()")["id"][0]
    filters = {**dict.fromkeys(used, "Imported"), **FILTERS}
    lines = [
        "##fileformat=VCFv4.3",
        f"##source=baselake {RELEASE}",
        f"##baselakeSnapshot={snapshot}",
        f"##reference={reference.name} ({reference.digest})",
        '##FILTER=<ID=PASS,Description="All filters passed">',
    ]
    lines += [f'##FILTER=<ID={name},Description="{text}">' for name, text in sorted(filters.items())]
    lines += [
        f"##contig=<ID={contig.name},length={contig.length},md5={contig.md5}>" for contig in reference.contigs
    ]
    columns = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", sample)
    return "\n".join(lines) + "\n" + CALL_FIELDS + fields + "\t".join(columns) + "\n"


def _multi_allelic_sites(rows: list[dict]) -> list[dict]:
    """One row per site from one row per alternate. Few sites are multi-allelic, so a Python loop will do."""
    sites: dict[tuple, list[dict]] = defaultdict(list)
    for row in rows:
        sites[row["contig"], row["start"], tuple(row["site_pl"])].append(row)
    return [_join(group) for group in sites.values()]


def _join(group: list[dict]) -> dict:
    """The VCF record of the rows of one site.

    An alternate of the site that starts elsewhere once it was normalised has a record of its own there; it is
    spelled '*' here, as VCF 4.3 spells an allele that is missing for an overlapping deletion.
    """
    first = group[0]
    phased = "|" in first["gt"]
    separator = "|" if phased else "/"
    ploidy = len(first["gt"].split(separator))
    alternates = _alternates(len(first["site_pl"]), ploidy)
    by_index = {row["allele_index"]: row for row in group}
    absent = next((i for i in range(1, alternates + 1) if i not in by_index), 0)

    longest = max((row["ref"] for row in group), key=len)
    alts = [
        by_index[i]["alt"] + longest[len(by_index[i]["ref"]) :] if i in by_index else "*"
        for i in range(1, alternates + 1)
    ]
    depths = [str(by_index[i]["ad_alt"]) if i in by_index else "." for i in range(1, alternates + 1)]
    strands = [row["sb"] for row in group if row["sb"]]
    joined_strands = (
        [*strands[0][:2], sum(s[2] for s in strands), sum(s[3] for s in strands)] if strands else []
    )
    return {
        **{key: first[key] for key in ("contig", "start", "qual", "mq", "fs", "gq", "dp", "ps")},
        **{key: first[key] for key in ("read_pos_rank_sum", "base_q_rank_sum", "filters")},
        "ref": longest,
        "alt": ",".join(alts),
        "gt": _genotype(group, separator, ploidy, absent),
        "ad": ",".join([str(first["ad_ref"]), *depths]),
        "pl": ",".join(map(str, first["site_pl"])),
        "sb": ",".join(map(str, joined_strands)) or None,
    }


def _alternates(likelihoods: int, ploidy: int) -> int:
    """How many alternates a site has, from the number of its genotypes: C(alleles + ploidy - 1, ploidy)."""
    from math import comb

    alternates = 1
    while comb(alternates + ploidy, ploidy) < likelihoods:
        alternates += 1
    return alternates


def _genotype(group: list[dict], separator: str, ploidy: int, absent: int) -> str:
    """GT over the site's alleles, from rows that each number their own alternate 1 and any other 2."""
    calls = [row["gt"].split(separator) for row in group]
    if "." in calls[0]:
        return separator.join("." * ploidy)
    if separator == "|":
        alleles = []
        for copy in range(ploidy):
            own = [row["allele_index"] for row, call in zip(group, calls, strict=True) if call[copy] == "1"]
            alleles.append(own[0] if own else 0 if calls[0][copy] == "0" else absent)
    else:
        alleles = [0] * calls[0].count("0")
        for row in group:
            alleles += [row["allele_index"]] * row["alt_copies"]
        alleles += [absent] * (ploidy - len(alleles))
        alleles.sort()
    return separator.join(map(str, alleles))
