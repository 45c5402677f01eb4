"""Loading a source of annotation, whatever it is written in."""

import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa

from baselake.catalog.annotations import (
    Current,
    Release,
    current_release,
    record_release,
    require_source_name,
)
from baselake.catalog.catalog import Catalog
from baselake.catalog.job import Job, Transaction
from baselake.catalog.references import Reference, open_reference
from baselake.errors import InputError
from baselake.ingest.annotations.alleles import AlleleWriter, write_alleles
from baselake.ingest.annotations.names import place_names
from baselake.ingest.annotations.text import Plain, map_of, plain_copy, require_none, rows_of, typed
from baselake.ingest.compressed import Digest, file_source_id
from baselake.ingest.vcf.detect import is_vcf
from baselake.ingest.vcf.source import Reading, open_vcf
from baselake.lake.contigs import spellings
from baselake.lake.schema import ANNOTATION_REGIONS
from baselake.progress import QUIET, Progress

# What the columns of a TSV are called that say which allele, or which gene, a line is of.
_CONTIG, _POSITION = ("contig", "chrom", "chr", "chromosome"), ("pos", "position")
_HGVS = ("hgvs", "hgvs_g", "hgvsg", "hgvs_c", "hgvsc", "hgvs_p", "hgvsp")
_GENE = ("gene", "gene_symbol", "symbol", "gene_name", "hgnc_symbol")
_HEAD = (
    "##fileformat=VCFv4.3\n"
    + "\t".join(["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO"])
    + "\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceImport:
    """What an import did.

    Attributes:
        version: of the release.
        kind: `alleles`, `regions` or `gene_terms`.
        rows: now in the lake of it.
        skipped: the content was there already, as the release that answers.
        unresolved: lines whose name of HGVS stands for no allele that is known.
    """

    version: str
    kind: str
    rows: int
    skipped: bool
    unresolved: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loaded:
    kind: str
    format: str
    digest: Digest
    rows: int
    unresolved: int = 0
    insert: Callable[[Transaction], None] | None = None


def load_source(
    catalog: Catalog,
    name: str,
    path: Path,
    *,
    reference: str | None = None,
    version: str | None = None,
    columns: Sequence[str] | None = None,
    progress: Progress = QUIET,
) -> SourceImport:
    """Load a release of a source, which answers from then on; earlier releases stay.

    VCF and BCF are known by how they begin, BED by its name; anything else is tab-separated columns with a header.

    Args:
        catalog: the lake.
        name: what the source is called, as `clinvar`.
        path: the file, plain or gzipped.
        reference: the assembly; None: the only one. Its contigs may be named with chr or without.
        version: what the release is called; None: the file's name.
        columns: keys of INFO, or columns; None: all.
        progress: where progress is shown.

    Raises:
        NotFoundError: no such file or reference.
        InputError: the file is not what its format says; the message names the line.
        ConflictError: the source was of another kind before.
        StorageError: the disk is full or fails.
    """
    require_source_name(name)
    assembly = open_reference(catalog, reference)
    named = version or path.name
    chosen = sorted(set(columns)) if columns is not None else None
    for of in (assembly.name, None):
        # What is told by the file's own bytes need not be read.
        answering = current_release(catalog, name, of)
        if (
            answering is not None
            and answering.columns == chosen
            and answering.source_id == file_source_id(path)
        ):
            return _skipped(answering, path, progress)
    parameters = {"source": name, "file": path.resolve(), "reference": assembly.name, "release": named}
    with catalog.job("annotate source", parameters) as job:
        if is_vcf(path):
            found = write_alleles(catalog, job, path, assembly, name, columns, progress)
            loaded = _Loaded(kind="alleles", format=found.format, digest=found.digest, rows=found.rows)
        elif re.search(r"\.bed(\.gz|\.bgz)?$", path.name.lower()):
            loaded = _load_bed(catalog, job, path, assembly, name, progress)
        else:
            loaded = _load_tsv(catalog, job, path, assembly, name, columns, progress)
        if not loaded.rows and not loaded.unresolved:
            raise InputError(
                f"nothing in it is on a contig of reference {assembly.name}", str(path), "Check the assembly"
            )
        if not loaded.rows:
            raise InputError(
                "none of its names stands for an allele that is known",
                str(path),
                f"See that the gene models of {assembly.name} have its transcripts: baselake annotate",
            )
        of_reference = None if loaded.kind == "gene_terms" else assembly.name
        known = current_release(catalog, name, of_reference)
        if known is not None and (known.content_id, known.columns) == (loaded.digest.content_id, chosen):
            return _skipped(known, path, progress)
        job.inputs.append(loaded.digest.source_id)
        job.bytes_near += loaded.digest.bytes
        with job.commit() as tx:
            if loaded.insert is not None:
                loaded.insert(tx)
            record_release(
                tx,
                Release(
                    release_id=job.id,
                    source=name,
                    version=named,
                    kind=loaded.kind,
                    reference=of_reference,
                    path=str(path.resolve()),
                    format=loaded.format,
                    columns=chosen,
                    source_id=loaded.digest.source_id,
                    content_id=loaded.digest.content_id,
                    bytes=loaded.digest.bytes,
                    records=loaded.rows,
                ),
            )
    return SourceImport(
        version=named, kind=loaded.kind, rows=loaded.rows, skipped=False, unresolved=loaded.unresolved
    )


def _skipped(known: Current, path: Path, progress: Progress) -> SourceImport:
    progress.note(f"the content of {path.name} is loaded already, as release {known.version}")
    return SourceImport(version=known.version, kind=known.kind, rows=0, skipped=True)


def _load_bed(
    catalog: Catalog, job: Job, path: Path, assembly: Reference, source: str, progress: Progress
) -> _Loaded:
    plain = plain_copy(path, job.scratch, header=False)
    if len(plain.columns) < 3:
        raise InputError(
            "a line has fewer than 3 columns", f"{path}, line {plain.skip + 1}", "Correct the line"
        )
    with rows_of(catalog, plain, job.scratch) as memory:
        number = "TRY_CAST({} AS BIGINT)".format
        first, last = number("start"), number('"end"')
        require_none(
            memory, plain, f"{first} IS NULL OR {last} IS NULL", "start and end are not both numbers"
        )
        require_none(memory, plain, f"{first} < 0 OR {last} < {first}", "the region ends before it begins")
        _add_contigs(memory, assembly)
        beyond = f"coalesce({last} > (SELECT c.length FROM contigs AS c WHERE c.named = lines.contig), false)"
        require_none(memory, plain, beyond, f"the region ends beyond its contig in reference {assembly.name}")
        name = "nullif(nullif(name, ''), '.')" if "name" in plain.columns else "NULL"
        rows = memory.execute(
            f'SELECT c.contig, CAST(l.start AS INTEGER) AS start, CAST(l."end" AS INTEGER) AS "end",'
            f" CAST({name} AS VARCHAR) AS name, {map_of(plain.columns[4:])} AS strings"
            " FROM lines AS l JOIN contigs AS c ON c.named = l.contig ORDER BY c.contig, 2, 3"
        ).to_arrow_table()
        _note_left_out(memory, plain, rows.num_rows, assembly, progress)
    if rows.num_rows:
        constants = {"reference": assembly.name, "source": source, "release_id": job.id}
        for column, value in constants.items():
            rows = rows.append_column(column, pa.repeat(value, rows.num_rows).dictionary_encode())
        with job.writer(ANNOTATION_REGIONS.name, {"reference": assembly.name, "source": source}) as out:
            out.write(rows.select(ANNOTATION_REGIONS.schema.names))
    return _Loaded(kind="regions", format="bed", digest=plain.digest, rows=rows.num_rows)


def _load_tsv(
    catalog: Catalog,
    job: Job,
    path: Path,
    assembly: Reference,
    source: str,
    columns: Sequence[str] | None,
    progress: Progress,
) -> _Loaded:
    plain = plain_copy(path, job.scratch, header=True)
    keys = _keys(plain, (_CONTIG, _POSITION, ("ref",), ("alt",)))
    hgvs = _keys(plain, (_HGVS,))
    gene = _keys(plain, (_GENE,))
    taken = keys or hgvs or gene
    if not taken:
        raise InputError(
            "its header names neither contig, pos, ref and alt, nor hgvs, nor a gene",
            f"{path}, line {plain.skip}",
            "Name the columns so, or give a VCF or a file called .bed",
        )
    values = [name for name in plain.columns if name not in taken]
    for name in columns or ():
        if name not in values:
            raise InputError(f"it has no column {name}", str(path), f"Choose of {', '.join(values)}")
    chosen = [name for name in values if columns is None or name in columns]
    with rows_of(catalog, plain, job.scratch) as memory:
        if keys or hgvs:
            unresolved = 0
            if keys:
                _place_lines(memory, plain, assembly, keys)
            else:
                unresolved = place_names(catalog, memory, plain, assembly, hgvs[0], progress)
            rows = _write_lines(catalog, job, memory, plain, assembly, source, chosen)
            if keys:
                _note_left_out(memory, plain, rows, assembly, progress)
            return _Loaded(
                kind="alleles", format="tsv", digest=plain.digest, rows=rows, unresolved=unresolved
            )
        key = _identifier(gene[0])
        require_none(memory, plain, f"coalesce({key}, '') = ''", "the line names no gene")
        terms = memory.execute(
            f"SELECT $source AS source, $release AS release_id, {key} AS gene, {map_of(chosen)} AS strings"
            " FROM lines ORDER BY gene, line",
            {"source": source, "release": job.id},
        ).to_arrow_table()
    return _Loaded(
        kind="gene_terms",
        format="tsv",
        digest=plain.digest,
        rows=terms.num_rows,
        insert=lambda tx: tx.insert("gene_annotations", terms),
    )


def _keys(plain: Plain, wanted: Sequence[Sequence[str]]) -> list[str]:
    """The file's own names of the columns that are called one of each of `wanted`; none unless all are there."""
    by_name = {name.lower(): name for name in plain.columns}
    found = [next((by_name[name] for name in names if name in by_name), None) for names in wanted]
    return [name for name in found if name is not None] if None not in found else []


def _place_lines(
    memory: duckdb.DuckDBPyConnection, plain: Plain, assembly: Reference, keys: Sequence[str]
) -> None:
    """The table `sorted` of lines that say where their alleles lie."""
    contig, position, ref, alt = map(_identifier, keys)
    place = f"TRY_CAST({position} AS BIGINT)"
    require_none(memory, plain, f"{place} IS NULL OR {place} < 1", "the position is no number from 1 on")
    for name in (ref, alt):
        wrong = f"NOT regexp_full_match({name}, '[ACGTNacgtn]+')"
        require_none(memory, plain, wrong, "ref and alt are not both bases")
    _add_contigs(memory, assembly)
    memory.execute(
        f"CREATE TABLE sorted AS SELECT l.line, c.contig, {place} AS pos, upper({ref}) AS ref, upper({alt}) AS alt,"
        " CAST(NULL AS VARCHAR) AS name,"
        f" row_number() OVER (ORDER BY c.ordinal, {place}, l.line) AS number"
        f" FROM lines AS l JOIN contigs AS c ON c.named = l.{contig}"
    )


def _write_lines(
    catalog: Catalog,
    job: Job,
    memory: duckdb.DuckDBPyConnection,
    plain: Plain,
    assembly: Reference,
    source: str,
    chosen: Sequence[str],
) -> int:
    """Write the alleles of `sorted`: as a VCF they go through what brings alleles into their normal form."""
    body, vcf = job.scratch / "body.txt", job.scratch / "alleles.vcf"
    memory.execute(
        "COPY (SELECT contig, pos, number, ref, alt, '.', '.', '.' FROM sorted ORDER BY number)"
        f" TO '{str(body).replace(chr(39), chr(39) * 2)}' (FORMAT csv, HEADER false, DELIMITER '\t', QUOTE '')"
    )
    with open(vcf, "wb") as out, open(body, "rb") as lines:
        out.write(_HEAD.encode())
        shutil.copyfileobj(lines, out)
    maps = typed(memory, chosen)
    reading = Reading(open_vcf(vcf), assembly, catalog.config.memory_bytes // 16)
    total = 0
    with AlleleWriter(job, assembly.name, source) as writer:
        try:
            for part in reading.parts():
                memory.register("records", pa.Table.from_batches([pa.record_batch(part["records"])]))
                rows = memory.execute(
                    # Beside the file's own columns, which may be called anything.
                    'SELECT p."/variant" AS variant_id, CAST(regexp_extract(p."/variant",'
                    " '^.+-([0-9]+)-[A-Z]+-.+$', 1) AS INTEGER) - 1 AS start, p.\"/name\" AS id,"
                    " CAST(NULL AS VARCHAR[]) AS filters, CAST([] AS VARCHAR[]) AS flags,"
                    f" {map_of(maps['INTEGER'], 'INTEGER')} AS integers, {map_of(maps['FLOAT'], 'FLOAT')} AS floats,"
                    f" {map_of(maps['VARCHAR'])} AS strings"
                    ' FROM (SELECT r.variant_ids[1] AS "/variant", s.name AS "/name", s.line AS "/line"'
                    " FROM records AS r JOIN sorted AS s ON s.number = CAST(r.id AS BIGINT)) AS p"
                    ' JOIN lines AS l ON l.line = p."/line" ORDER BY start, variant_id'
                ).to_arrow_table()
                memory.unregister("records")
                total += writer.write(part["contig"], rows)
        except InputError as error:
            raise _of_line(memory, plain, error) from error
    return total


def _of_line(memory: duckdb.DuckDBPyConnection, plain: Plain, error: InputError) -> InputError:
    """What is wrong with a line of the VCF that was made, as what is wrong with the line it was made of."""
    match = re.search(r", line (\d+)$", error.where)
    if match is None:
        return error
    number = int(match[1]) - _HEAD.count("\n")
    found = memory.execute("SELECT line FROM sorted WHERE number = $number", {"number": number}).fetchall()
    return InputError(
        error.what, f"{plain.path}, line {found[0][0]}" if found else str(plain.path), error.remedy
    )


def _add_contigs(memory: duckdb.DuckDBPyConnection, assembly: Reference) -> None:
    """The table `contigs`: a contig's name in the file and in the assembly, its place there and its length."""
    named = spellings(assembly.lengths)
    order = {contig: place for place, contig in enumerate(assembly.lengths)}
    memory.register(
        "contigs",
        pa.table(
            {
                "named": list(named),
                "contig": list(named.values()),
                "ordinal": np.array([order[contig] for contig in named.values()], np.int64),
                "length": np.array([assembly.lengths[contig] for contig in named.values()], np.int64),
            }
        ),
    )


def _note_left_out(
    memory: duckdb.DuckDBPyConnection, plain: Plain, rows: int, assembly: Reference, progress: Progress
) -> None:
    total = memory.execute("SELECT count(*) FROM lines").fetchall()[0][0]
    if total > rows:
        progress.note(
            f"{plain.path.name}: {total - rows:,} lines are on contigs that {assembly.name} has not, and are left out"
        )


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
