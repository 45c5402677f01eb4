"""Counts that are kept: what cohorts have of each allele, and where their members were seen.

Rows of `allele_counts` and `seen_counts` are only ever added, each the sum of some samples with a sign, in the
transaction that changes these samples' calls or their cohort; a question sums them up (`counted_alleles`), and
compaction does. What a change costs is what the samples have that are changed, however many others there are. Cohorts
that are counted are in `counted_cohorts`; others are answered from genotypes.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from baselake.catalog.catalog import Catalog, statement
from baselake.catalog.connection import duckdb_path, quoted
from baselake.catalog.job import Job, Transaction
from baselake.catalog.samples import EVERYBODY
from baselake.errors import NotFoundError
from baselake.lake.schema import ALLELE_COUNTS, SEEN_COUNTS

# A cohort that is counted, and a sample of it.
Membership = tuple[str, str]

# How many members of a cohort have a genotype of an allele, from the record `first` or others up to `last` of a file.
# Texts are numbers of a dictionary: all of a file is held in memory until it is committed.
_TEXT = pa.dictionary(pa.int32(), pa.string())
TALLIES = pa.schema(
    [
        ("cohort", _TEXT),
        ("reference", _TEXT),
        ("contig", _TEXT),
        ("start", pa.int32()),
        ("variant_id", _TEXT),
        ("gt", _TEXT),
        ("alt_copies", pa.int8()),
        ("source_id", _TEXT),
        ("n", pa.int64()),
        ("first", pa.int32()),
        ("last", pa.int32()),
    ]
)

_TABLES = {
    "genotypes": "lake.genotypes",
    "untallied": "lake.genotypes",
    "variants": "lake.variants",
    "blocks": "lake.reference_blocks",
}
# So many samples are told by their names, which leaves out files and row groups of others.
_NAMED = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Tallied:
    """Genotypes of files that were added up while they were written.

    Attributes:
        counted: the memberships that were taken for this, of samples that will have nothing but what is in the files.
        files: which.
        rows: as `TALLIES` has them.
    """

    counted: frozenset[Membership]
    files: frozenset[Path]
    rows: Sequence[pa.Table]


def memberships(catalog: Catalog, job: Job, samples: Sequence[str]) -> frozenset[Membership]:
    """The samples, each with each cohort that is counted and has it."""
    with _outside(catalog, job) as outside:
        return frozenset(_members(outside, counted_cohorts(outside), samples))


def count_files(
    catalog: Catalog,
    job: Job,
    samples: Sequence[str],
    reference: str,
    alleles: Sequence[pa.Table],
    tallied: Tallied | None = None,
) -> frozenset[Membership]:
    """Count what a job's finished files bring, before the commit lock is taken: it takes 3 us a genotype or block.

    Args:
        catalog: the lake.
        job: whose files they are; it gets the counts.
        samples: that will have nothing on the assembly but what is in the files.
        reference: the assembly.
        alleles: rows of `variants`, among them every allele of the files.
        tallied: what was added up already. Of no use where cohorts or samples have changed since: then all are read.

    Returns:
        What was counted, for `recounted`.
    """
    with _outside(catalog, job) as outside:
        found = frozenset(_members(outside, counted_cohorts(outside), samples))
        if found:
            if alleles:
                outside.temporary("arriving_alleles", pa.concat_tables(alleles))
            if tallied is not None and tallied.counted != found:
                tallied = None
            files = job.finished("genotypes")
            untallied = [path for path in files if tallied is None or path not in tallied.files]
            sources = {
                "genotypes": _arriving(catalog, "genotypes", files),
                "untallied": _arriving(catalog, "genotypes", untallied),
                "variants": "arriving_alleles" if alleles else "(SELECT * FROM lake.variants WHERE false)",
                "blocks": _arriving(catalog, "reference_blocks", job.finished("reference_blocks")),
            }
            rows = tallied.rows if tallied is not None else ()
            _count(job, outside, [(*one, 1) for one in found], reference, None, sources, rows)
        return found


@contextmanager
def _outside(catalog: Catalog, job: Job) -> Iterator[Transaction]:
    """The newest snapshot, to be asked without the commit lock."""
    cursor = catalog.connection.cursor()
    try:
        cursor.execute("USE lake")
        yield Transaction(job, cursor)
    finally:
        cursor.close()


def _arriving(catalog: Catalog, table: str, files: Sequence[Path]) -> str:
    """Rows of finished files of a table; a column that none of them has is NULL."""
    none = f"SELECT * FROM lake.{table} WHERE false"
    paths = [quoted(duckdb_path(str(path), catalog.config)) for path in files]
    if not paths:
        return f"({none})"
    arriving = f"read_parquet([{', '.join(paths)}], union_by_name = true, hive_partitioning = false)"
    return f"({none} UNION ALL BY NAME SELECT * FROM {arriving})"


@contextmanager
def recounted(
    job: Job,
    tx: Transaction,
    samples: Sequence[str],
    reference: str,
    contigs: Sequence[str] | None = None,
    counted: Collection[Membership] = (),
) -> Iterator[None]:
    """Keep the counts right while the block changes what samples are called to have.

    Args:
        job: whose files bring the new calls.
        tx: its transaction.
        samples: whose calls are changed: all that they have on these contigs is counted anew.
        reference: the assembly.
        contigs: of it; None: all.
        counted: what `count_files` has counted of these samples already.
    """
    cohorts = counted_cohorts(tx)
    known = set(tx.query("SELECT sample_id FROM samples")["sample_id"].to_pylist()) if cohorts else set()
    old = [(cohort, name, -1) for cohort, name in _members(tx, cohorts, [s for s in samples if s in known])]
    _count(job, tx, old, reference, contigs)
    yield
    tx.register_files()
    now = _members(tx, cohorts, samples)
    # Cohorts may have been changed since the files were counted.
    change = [(cohort, name, 1) for cohort, name in now if (cohort, name) not in counted]
    change += [(cohort, name, -1) for cohort, name in set(counted).difference(now)]
    _count(job, tx, change, reference, contigs)


def count_out(job: Job, tx: Transaction, samples: Sequence[str]) -> None:
    """Take what samples are called to have off the counts, before it is deleted."""
    old = [(cohort, name, -1) for cohort, name in _members(tx, counted_cohorts(tx), samples)]
    _count(job, tx, old, None, None)


def counted_cohorts(tx: Transaction) -> list[str]:
    """The cohorts whose counts are kept."""
    found: list[str] = tx.query("SELECT DISTINCT cohort FROM counted_cohorts ORDER BY 1")[
        "cohort"
    ].to_pylist()
    return found


def add_members(job: Job, tx: Transaction, cohort: str, added: Sequence[str], removed: Sequence[str]) -> None:
    """Count samples into a cohort, and others out of it."""
    change = [(cohort, name, 1) for name in added] + [(cohort, name, -1) for name in removed]
    _count(job, tx, change, None, None)


def begin_cohort(job: Job, tx: Transaction, cohort: str, members: Sequence[str]) -> None:
    """Count a cohort from its genotypes, and keep its counts from now on."""
    forget_cohort(tx, cohort)
    add_members(job, tx, cohort, members, [])
    tx.execute("INSERT INTO counted_cohorts VALUES (?, ?)", [cohort, job.id])


def forget_cohort(tx: Transaction, cohort: str) -> None:
    """Keep no counts of a cohort any more."""
    for table in ("allele_counts", "seen_counts", "counted_cohorts"):
        tx.execute(f"DELETE FROM {table} WHERE cohort = ?", [cohort])


def forget_joint(tx: Transaction, cohort: str) -> None:
    """Keep no sums of likelihoods of a cohort any more."""
    for table in ("joint_sums", "joint_members"):
        tx.execute(f"DELETE FROM {table} WHERE cohort = ?", [cohort])


def count_cohort(catalog: Catalog, cohort: str) -> None:
    """Count a cohort anew, for a lake of before counts were kept, say.

    Raises:
        NotFoundError: there is no such cohort.
    """
    with catalog.job("cohort count", {"cohort": cohort}) as job, job.commit() as tx:
        members = members_of(tx, cohort)
        if not members and cohort != EVERYBODY:
            raise NotFoundError(
                f"no cohort {cohort!r}", str(catalog.layout.root), "'baselake cohort' lists them"
            )
        begin_cohort(job, tx, cohort, members)


def members_of(tx: Transaction, cohort: str) -> list[str]:
    """The samples of a cohort; of `all`, every one."""
    table = "samples" if cohort == EVERYBODY else "cohorts"
    where, given = ("", []) if cohort == EVERYBODY else (" WHERE cohort = ?", [cohort])
    found: list[str] = tx.query(f"SELECT DISTINCT sample_id FROM {table}{where} ORDER BY 1", given)[
        "sample_id"
    ].to_pylist()
    return found


def _members(tx: Transaction, cohorts: Sequence[str], samples: Sequence[str]) -> list[Membership]:
    """Each sample with each cohort that is counted and has it."""
    found = [(EVERYBODY, name) for name in samples] if EVERYBODY in cohorts else []
    if set(cohorts) - {EVERYBODY}:
        tx.temporary("asked_samples", pa.table({"sample_id": pa.array(samples, pa.string())}))
        rows = tx.query(
            "SELECT DISTINCT cohort, sample_id FROM cohorts"
            " WHERE list_contains(?::VARCHAR[], cohort) AND sample_id IN (SELECT sample_id FROM asked_samples)",
            [list(cohorts)],
        ).to_pylist()
        found += [(row["cohort"], row["sample_id"]) for row in rows]
    return found


def _count(
    job: Job,
    tx: Transaction,
    change: Sequence[tuple[str, str, int]],
    reference: str | None,
    contigs: Sequence[str] | None,
    sources: Mapping[str, str] = _TABLES,
    tallies: Sequence[pa.Table] = (),
) -> None:
    if not change or (contigs is not None and not contigs):
        return
    columns = dict(zip(("cohort", "sample_id", "sign"), zip(*change, strict=True), strict=True))
    tx.temporary("counting", pa.table({name: pa.array(values) for name, values in columns.items()}))
    tx.temporary("tallied_genotypes", pa.concat_tables([TALLIES.empty_table(), *tallies]))
    conditions = ["true"]
    if reference is not None:
        conditions.append(f"g.reference = {quoted(reference)}")
    if contigs is not None:
        conditions.append(f"g.contig IN ({', '.join(map(quoted, contigs))})")
    if len(names := sorted({name for _, name, _ in change})) <= _NAMED:
        conditions.append(f"g.sample_id IN ({', '.join(map(quoted, names))})")
    tx.execute(statement("count_rows").format(here=" AND ".join(conditions), **sources))
    for spec, question in ((ALLELE_COUNTS, "count_alleles"), (SEEN_COUNTS, "count_seen")):
        with job.writer_of(spec, {}) as out:
            for batch in tx.stream(statement(question)):
                out.write(batch)
