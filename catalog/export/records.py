"""Imported records as VCF again: what the import took apart is put together, by native code.

INFO is as it came, counts of alleles over samples that are left out included. Not kept: digits beyond a 32-bit
float, how floats were spelled, and what a gVCF says of its reference blocks beyond the columns of `reference_blocks`.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.export._records import RecordLines
from baselake.catalog.references import Reference
from baselake.errors import InputError, LakeError, NotFoundError
from baselake.lake.region import Region

# Lines of a header that say what this file says itself.
_OWN = re.compile(r"##(fileformat|contig|reference|baselakeSnapshot)=")
_INDEX = re.compile(r",IDX=\d+(?=>$)")
_DECLARED = re.compile(r"##(INFO|FORMAT|FILTER|ALT)=<ID=([^,>]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """The imported files that samples' calls come from.

    Attributes:
        samples: as they were asked for.
        sources: `source_id` of each file.
        headers: their headers, without the line of column names.
    """

    samples: tuple[str, ...]
    sources: tuple[str, ...]
    headers: tuple[str, ...]


def imported_sources(
    catalog: Catalog, samples: Sequence[str], reference: Reference, region: Region | None
) -> Imported | None:
    """Where the samples' calls were imported from; None: they were called here, or there are none.

    Raises:
        InputError: some were imported and some called, or the samples come from different files.
    """
    params = {"reference": reference.name, "contig": region.contig if region else None}
    tables = {"chosen_samples": _numbered("sample_id", samples)}
    found = (
        catalog.stream(catalog.statement("imported_sources"), params, tables=tables).read_all().to_pylist()
    )
    by_sample: dict[str, set[str | None]] = {sample: set() for sample in samples}
    for row in found:
        by_sample[row["sample_id"]].add(row["source_id"])
    sources = {source for of_sample in by_sample.values() for source in of_sample}
    if not sources:  # of files without records their header is left
        sources = set(_empty_files(catalog, samples))
        by_sample = {}
    if not sources or sources == {None}:
        return None
    where = ", ".join(samples)
    if None in sources:
        raise InputError(
            "some calls were imported and some were made here",
            f"sample {where}",
            "Export one contig or sample at a time: --region",
        )
    if len({frozenset(of_sample) for of_sample in by_sample.values()}) > 1:
        raise InputError(
            "the samples were imported from different files",
            f"sample {where}",
            "Export each by itself, then: bcftools merge",
        )
    # In the order in which they came: the first one's words on a key are the header's.
    rows = catalog.query(
        "SELECT source_id, header FROM source_files WHERE list_contains(?::VARCHAR[], source_id) ORDER BY rowid",
        [sorted(source for source in sources if source is not None)],
    ).to_pylist()
    return Imported(
        samples=tuple(samples),
        sources=tuple(row["source_id"] for row in rows),
        headers=tuple(row["header"] for row in rows),
    )


def imported_file(catalog: Catalog, name: str) -> Imported:
    """An imported VCF or BCF with all its samples, of which there may be none.

    Args:
        catalog: the lake.
        name: its `source_id`, its path as `source_files` has it, or the last part of that.

    Raises:
        NotFoundError: no such file was imported.
        InputError: several files are called so.
    """
    rows = catalog.query(
        "SELECT source_id, path, header, sample_ids FROM source_files WHERE format IN ('vcf', 'bcf')"
        " AND ($name IN (source_id, path) OR ends_with(path, '/' || $name)) ORDER BY path",
        {"name": name},
    ).to_pylist()
    if not rows:
        raise NotFoundError(
            f"no VCF or BCF {name!r} was imported",
            str(catalog.layout.root),
            "List them: baselake sql \"SELECT path FROM source_files WHERE format IN ('vcf', 'bcf')\"",
        )
    if len(rows) > 1:
        raise InputError(
            f"{len(rows)} imported files are called so",
            name,
            f"Name one by its source_id: {', '.join(row['source_id'] for row in rows)}",
        )
    (row,) = rows
    return Imported(samples=tuple(row["sample_ids"]), sources=(row["source_id"],), headers=(row["header"],))


def reference_of(catalog: Catalog, imported: Imported) -> str | None:
    """The assembly that an imported file's records are on; None: it has no records."""
    rows = catalog.rows(
        "SELECT reference FROM vcf_records WHERE source_id = ? LIMIT 1", [imported.sources[0]]
    )
    return rows[0][0] if rows else None


def _empty_files(catalog: Catalog, samples: Sequence[str]) -> list[str]:
    rows = catalog.query(
        "SELECT source_id FROM source_files WHERE format IN ('vcf', 'bcf') AND records = 0"
        " AND list_has_all(sample_ids, ?::VARCHAR[])",
        [list(samples)],
    )
    found: list[str] = rows["source_id"].to_pylist()
    return found


def imported_header(catalog: Catalog, imported: Imported, reference: Reference, fields: str = "") -> str:
    """The header: lines of the files' own, each once, with the reference's contigs.

    Args:
        catalog: the lake.
        imported: the files.
        reference: the assembly.
        fields: lines that declare further keys, where they are not declared.
    """
    snapshot = catalog.query("SELECT id FROM lake.current_snapshot()")["id"][0]
    versions = {header.partition("\n")[0] for header in imported.headers}
    lines = [
        next(iter(versions)) if len(versions) == 1 else "##fileformat=VCFv4.3",
        f"##baselakeSnapshot={snapshot}",
        f"##reference={reference.name} ({reference.digest})",
    ]
    lines += [
        f"##contig=<ID={contig.name},length={contig.length},md5={contig.md5}>" for contig in reference.contigs
    ]
    seen: set[object] = set()
    for line in (line for header in (*imported.headers, fields) for line in header.splitlines()):
        text = _INDEX.sub("", line)
        declared = _DECLARED.match(text)
        key: object = declared.groups() if declared else text
        if _OWN.match(text) or key in seen:
            continue
        seen.add(key)
        lines.append(text)
    columns = ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"]
    if imported.samples:
        columns += ["FORMAT", *imported.samples]
    return "\n".join([*lines, "\t".join(columns), ""])


def imported_lines(
    catalog: Catalog, imported: Imported, reference: Reference, region: Region | None
) -> Iterator[tuple[bytes, int]]:
    """The data lines in order, some at a time, and how many.

    Raises:
        LakeError: genotypes have no record.
    """
    params = {
        "reference": reference.name,
        "contig": region.contig if region else None,
        "start": region.start if region else None,
        "end": region.end if region else None,
    }
    sources = _numbered("source_id", imported.sources)
    samples = _numbered("sample_id", imported.samples)
    records = iter(
        catalog.stream(
            catalog.statement("imported_records"),
            params,
            batch_rows=8192,
            tables={"chosen_sources": sources},
        )
    )
    genotypes = iter(
        catalog.stream(
            catalog.statement("imported_genotypes"),
            params,
            tables={"chosen_sources": sources, "chosen_samples": samples},
        )
    )
    lines = RecordLines(len(imported.samples))
    while True:
        if lines.needs_records:
            batch = next(records, None)
            if batch is None:
                break
            lines.add_records(batch)
        while lines.needs_genotypes and not lines.needs_records:
            batch = next(genotypes, None)
            if batch is None:
                lines.end_genotypes()
            else:
                lines.add_genotypes(batch)
            yield lines.lines()
        yield lines.lines()
    if lines.left or next(genotypes, None) is not None:
        raise LakeError(
            "genotypes of a record that is not in vcf_records",
            f"sample {', '.join(imported.samples)}",
            "See what is damaged: baselake doctor",
        )


def _numbered(column: str, values: Sequence[str]) -> pa.Table:
    numbers = pa.array(range(len(values)), pa.int32())
    return pa.table({"number": numbers, column: pa.array(values, pa.string())})
