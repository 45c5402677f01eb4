"""What is recorded about samples."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from baselake.catalog.catalog import Catalog, statement
from baselake.catalog.connection import duckdb_path, quoted
from baselake.errors import InputError

if TYPE_CHECKING:
    from baselake.catalog.job import Transaction


# What `cohort_members` takes for every sample.
EVERYBODY = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCount:
    """Reads of a read group, and whether any of them is the second of its template."""

    reads: int
    paired: bool


def samples_sql(catalog: Catalog) -> str:
    """The query of what each sample has, as `baselake samples` shows it."""
    where = {"data": duckdb_path(f"{catalog.layout.data}/", catalog.config), "table": "genotypes"}
    found = catalog.query(catalog.statement("shared_locations"), where)["location"].to_pylist()
    return catalog.statement("samples").format(shared=", ".join(map(quoted, found)) or "NULL")


def sample_names(catalog: Catalog) -> list[str]:
    """Every sample in the lake, sorted."""
    names: list[str] = catalog.query("SELECT sample_id FROM samples ORDER BY 1")["sample_id"].to_pylist()
    return names


def count_reads(source: "Catalog | Transaction", sample: str) -> dict[str, ReadCount]:
    """The reads of a sample by read group; groups without reads are left out."""
    groups = source.query(statement("read_groups_of_sample"), {"sample": sample}).to_pylist()
    if not groups:
        return {}
    named = [group["read_group_id"] for group in groups]
    marks = ", ".join("?" * len(named))
    rows = source.query(statement("count_reads").format(groups=marks), named).to_pylist()
    # Planning what follows costs a tenth of a second, whether there are such reads or not.
    if any(group["laid_out"] for group in groups):
        rows += source.query(statement("count_assigned_reads"), {"sample": sample}).to_pylist()
    return {row["read_group_id"]: ReadCount(reads=row["reads"], paired=row["paired"]) for row in rows}


def aligned_samples(catalog: Catalog, reference: str, samples: Sequence[str]) -> set[str]:
    """Those of `samples` that have alignments on an assembly."""
    found = set()
    for sample in samples:
        # Pruned to one sample's files, of which one row is enough.
        sql = "SELECT 1 FROM alignments WHERE reference = ? AND sample_id = ? LIMIT 1"
        if catalog.query(sql, [reference, sample]).num_rows:
            found.add(sample)
    return found


def describe_sample(
    catalog: Catalog,
    sample: str,
    *,
    sex: str | None,
    family: str | None,
    father: str | None,
    mother: str | None,
    phenotypes: Sequence[str] | None = None,
) -> None:
    """Record what is known of a sample; what is None stays as it is, sex `unknown` is recorded as NULL.

    Raises:
        InputError: a phenotype is no term of the Human Phenotype Ontology.
    """
    for term in phenotypes or ():
        if re.fullmatch(r"HP:\d{7}", term) is None:
            raise InputError(f"{term!r} is no term of HPO", f"sample {sample}", "Write terms as HP:0001250")
    given: dict[str, object] = {"sex": sex, "family": family, "father": father, "mother": mother}
    given["phenotypes"] = list(phenotypes) if phenotypes is not None else None
    chosen = {column: value for column, value in given.items() if value is not None}
    if not chosen:
        return
    with catalog.job("samples set", {"sample": sample, **chosen}) as job, job.commit() as tx:
        assignments = ", ".join(f"{column} = ?" for column in chosen)
        values = [None if value == "unknown" else value for value in chosen.values()]
        tx.execute(f"UPDATE samples SET {assignments} WHERE sample_id = ?", [*values, sample])
