"""Lines of a TSV that name their alleles by HGVS, as alleles with a place."""

from collections import Counter

import duckdb
import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.references import Reference
from baselake.errors import InputError
from baselake.ingest.annotations.hgvs import Resolver, Transcript, Unresolved, by_identifier
from baselake.ingest.annotations.text import Plain, require_none
from baselake.lake.contigs import spellings
from baselake.progress import Progress

# Of names that stand for nothing, so many are told in full.
_TOLD = 5
_BATCH_ROWS = 65_536
_SCHEMA = pa.schema(
    [
        ("name", pa.string()),
        ("contig", pa.string()),
        ("ordinal", pa.int64()),
        ("pos", pa.int64()),
        ("ref", pa.string()),
        ("alt", pa.string()),
    ]
)


def place_names(
    catalog: Catalog,
    memory: duckdb.DuckDBPyConnection,
    plain: Plain,
    assembly: Reference,
    column: str,
    progress: Progress,
) -> int:
    """Make the table `sorted` of the alleles that lines name; how many lines name none.

    Args:
        catalog: the lake, whose gene models tell where transcripts lie.
        memory: has the table `lines`.
        plain: the file.
        assembly: on which alleles are looked for.
        column: that has the names.
        progress: is told of lines that name no allele: their number by reason, and the first.

    Raises:
        InputError: a line has no name; or names are of transcripts, and the assembly has no gene models.
    """
    key = '"' + column.replace('"', '""') + '"'
    require_none(memory, plain, f"coalesce({key}, '') = ''", "the line names no allele")
    transcripts = by_identifier(_transcripts(catalog, assembly))
    of_transcripts = memory.execute(
        f"SELECT min(line) FROM lines WHERE regexp_matches({key}, ':[cnp]\\.')"
    ).fetchall()[0][0]
    if of_transcripts is not None and not transcripts:
        raise InputError(
            f"it names alleles by transcripts, and reference {assembly.name} has no gene models",
            f"{plain.path}, line {of_transcripts}",
            f"Load them first: baselake annotate genes FILE --reference {assembly.name}",
        )

    def bases(contig: str, start: int, end: int) -> str:
        return assembly.bases(contig, start, end).tobytes().decode()

    resolver = Resolver(spellings(assembly.lengths), transcripts, bases)
    order = {contig: place for place, contig in enumerate(assembly.lengths)}
    memory.execute(
        "CREATE TABLE named (name VARCHAR, contig VARCHAR, ordinal BIGINT, pos BIGINT, ref VARCHAR, alt VARCHAR)"
    )
    reasons: Counter[str] = Counter()
    told: list[str] = []
    names = memory.cursor().execute(
        f"SELECT trim({key}), min(line), count(*) FROM lines GROUP BY 1 ORDER BY 2"
    )
    while batch := names.fetchmany(_BATCH_ROWS):
        rows = []
        for name, line, lines in batch:
            try:
                for one in resolver.alleles(name):
                    rows.append((name, one.contig, order[one.contig], one.position, one.ref, one.alt))
            except Unresolved as reason:
                reasons[str(reason)] += lines
                if len(told) < _TOLD:
                    told.append(f"line {line}, {name}: {reason}")
        columns = [list(values) for values in zip(*rows, strict=True)] or [[] for _ in _SCHEMA]
        memory.register("resolved", pa.table(columns, _SCHEMA))
        memory.execute("INSERT INTO named FROM resolved")
        memory.unregister("resolved")
    memory.execute(
        "CREATE TABLE sorted AS SELECT l.line, n.contig, n.pos, n.ref, n.alt, n.name,"
        " row_number() OVER (ORDER BY n.ordinal, n.pos, l.line, n.ref, n.alt) AS number"
        f" FROM lines AS l JOIN named AS n ON n.name = trim(l.{key})"
    )
    unresolved = sum(reasons.values())
    if unresolved:
        counts = ", ".join(f"{count:,} ({reason})" for reason, count in reasons.most_common())
        progress.note(
            f"{plain.path.name}: {unresolved:,} lines name no allele that is known, and are left out: {counts};"
            f" the first: {'; '.join(told)}"
        )
    return unresolved


def _transcripts(catalog: Catalog, assembly: Reference) -> list[tuple[str, str | None, Transcript]]:
    rows = catalog.rows(
        "SELECT transcript_id, protein_id, contig, strand, exon_starts, exon_ends, cds_start, cds_end, phase"
        " FROM transcripts WHERE reference = ? ORDER BY transcript_id, contig, start",
        [assembly.name],
    )
    return [
        (
            transcript_id,
            protein_id,
            Transcript(
                contig=contig,
                strand=strand,
                exons=tuple(zip(starts, ends, strict=True)),
                cds=(cds_start, cds_end) if cds_start is not None else None,
                phase=phase or 0,
            ),
        )
        for transcript_id, protein_id, contig, strand, starts, ends, cds_start, cds_end, phase in rows
    ]
