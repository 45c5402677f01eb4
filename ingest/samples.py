"""Samples as an import records them."""

from collections.abc import Sequence
from enum import Enum

import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.job import Transaction
from baselake.errors import ConflictError


class NoSample(Enum):
    """Whose reads are nobody's."""

    UNDETERMINED = "reads with no sample's barcode"


def record_sample(tx: Transaction, sample: str, sex: str | None) -> None:
    """Add a sample that is not there yet, or its sex where that was not known.

    Raises:
        ConflictError: another sex is recorded.
    """
    there = tx.query("SELECT sex FROM samples WHERE sample_id = ?", [sample]).to_pylist()
    if not there:
        tx.insert("samples", pa.Table.from_pylist([{"sample_id": sample, "sex": sex}]))
        _tell_families(tx, [sample])
    elif sex is not None and there[0]["sex"] is None:
        tx.execute("UPDATE samples SET sex = ? WHERE sample_id = ?", [sex, sample])
    elif sex is not None and there[0]["sex"] != sex:
        raise ConflictError(
            f"recorded as {there[0]['sex']}",
            f"sample {sample}",
            f"Leave out --sex, or first run: baselake samples set {sample} --sex {sex}",
        )


def record_samples(tx: Transaction, samples: Sequence[str]) -> None:
    """Add those of many samples that are not there yet, of whom nothing but the name is known."""
    there = set(tx.query("SELECT sample_id FROM samples")["sample_id"].to_pylist())
    new = sorted(set(samples) - there)
    tx.insert("samples", pa.table({"sample_id": pa.array(new, pa.string())}))
    _tell_families(tx, new)


def _tell_families(tx: Transaction, new: Sequence[str]) -> None:
    """Give new samples what a pedigree said of them before they came."""
    if not new:
        return
    # DuckDB takes a list that is a parameter name by name, a seventh of a millisecond each.
    tx.temporary("new_samples", pa.table({"sample_id": pa.array(new, pa.string())}))
    known = tx.query(
        "SELECT sample_id, family, father, mother, sex FROM pedigree"
        " WHERE sample_id IN (SELECT sample_id FROM new_samples)"
    )
    for person in known.to_pylist():
        sample = person.pop("sample_id")
        tx.execute(
            "UPDATE samples SET family = ?, father = ?, mother = ?, sex = coalesce(sex, ?) WHERE sample_id = ?",
            [*person.values(), sample],
        )


def record_sex(catalog: Catalog, samples: Sequence[str], sex: str) -> None:
    """The sex of samples whose files were all in the lake already.

    Raises:
        ConflictError: another sex is recorded.
    """
    recorded = {row["sample_id"]: row["sex"] for row in catalog.query("SELECT * FROM samples").to_pylist()}
    if any(recorded.get(sample) != sex for sample in samples):
        with catalog.job("ingest", {"sex": sex}) as job, job.commit() as tx:
            for sample in samples:
                record_sample(tx, sample, sex)
