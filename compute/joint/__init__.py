"""Joint genotyping of a cohort: allele frequencies from the likelihoods of all members.

Members that have a genotype of an allele are in sums (`joint_sums`); of the others, whom reference blocks show to have
the reference, only how many alleles they have matters, which the kept counts say (catalog/counting.py). So a new member
costs what it has. Genotypes themselves are told by the macro `joint_genotypes`, from each member's likelihoods and the
frequency.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from baselake.catalog.catalog import Catalog
from baselake.catalog.cohorts import allele_windows, cohort_members, stretches
from baselake.catalog.counting import forget_joint
from baselake.catalog.references import Reference
from baselake.compute.joint._em import frequencies
from baselake.errors import ConflictError, LakeError
from baselake.lake.parquet import TableWriter
from baselake.lake.region import Region
from baselake.lake.schema import JOINT_SUMS
from baselake.progress import QUIET, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Genotyped:
    """What was done.

    Attributes:
        members: of the cohort.
        new: of these, whose likelihoods were read.
        alleles: that they have genotypes of.
    """

    members: int
    new: int
    alleles: int


def genotype_cohort(
    catalog: Catalog,
    cohort: str,
    reference: Reference,
    region: Region | None = None,
    progress: Progress = QUIET,
) -> Genotyped:
    """Estimate the frequencies of a cohort's alleles from all likelihoods, in one commit.

    Where the cohort was genotyped before and members only came to it, theirs alone are read: one step of an incremental
    expectation maximization (Neal and Hinton 1998, doi:10.1007/978-94-011-5014-9_12). Else, or in a region, all are.

    Args:
        catalog: the lake.
        cohort: a cohort, family or sample, or `all`.
        reference: the assembly.
        region: only alleles that begin there; None: everywhere.
        progress: counts bases.

    Raises:
        NotFoundError: there is no such cohort, or no genotype of it.
        ConflictError: the cohort was changed meanwhile.
        LakeError: its counts are not those of its genotypes.
    """
    members = cohort_members(catalog, cohort)
    asked = {"cohort": cohort, "reference": reference.name}
    before = catalog.query(
        "SELECT sample_id FROM joint_members WHERE cohort = $cohort AND reference = $reference", asked
    )["sample_id"].to_pylist()
    changed = catalog.query(catalog.statement("joint_changed"), asked).num_rows
    anew = region is not None or not before or not set(before) <= set(members) or bool(changed)
    new = members if anew else sorted(set(members) - set(before))
    where = {"region": str(region) if region is not None else None}
    with catalog.job("genotype", asked | where | {"samples": len(members), "new": len(new)}) as job:
        job.of_samples(new)
        alleles = 0
        if new:
            with job.writer_of(JOINT_SUMS, {}) as out:
                wanted = stretches(reference, region)
                with progress.task(
                    f"genotype {cohort}", total=sum(s.end - s.start for s in wanted), unit="bases"
                ) as task:
                    for stretch in wanted:
                        for window in allele_windows(catalog, reference, stretch, len(new)):
                            alleles += _window(catalog, out, cohort, reference.name, window, new, anew=anew)
                        task.advance(stretch.end - stretch.start)
        with job.commit() as tx:
            now = tx.query("SELECT sample_id FROM cohort_members(?) ORDER BY 1", [cohort])
            if now["sample_id"].to_pylist() != members:
                raise ConflictError(
                    f"the cohort {cohort} was changed while it was genotyped",
                    str(catalog.layout.root),
                    "Run the same command again",
                )
            if anew and region is None:
                tx.execute(
                    "DELETE FROM joint_sums WHERE cohort = ? AND reference = ?", [cohort, reference.name]
                )
            if region is not None:
                forget_joint(tx, cohort)
            elif anew:
                tx.execute(
                    "DELETE FROM joint_members WHERE cohort = ? AND reference = ?", [cohort, reference.name]
                )
            # Sums of a region only are of nobody: the next time all are read.
            if region is None and new:
                columns = {"cohort": cohort, "reference": reference.name, "job_id": job.id}
                rows = pa.Table.from_pylist([{**columns, "sample_id": name} for name in new])
                tx.insert("joint_members", rows)
    return Genotyped(members=len(members), new=len(new), alleles=alleles)


def _window(
    catalog: Catalog,
    out: TableWriter,
    cohort: str,
    reference: str,
    window: Region,
    samples: list[str],
    *,
    anew: bool,
) -> int:
    bounds = {"contig": window.contig, "start": window.start, "end": window.end, "reference": reference}
    names = {"sample_id": samples, "number": pa.array(np.arange(len(samples), dtype=np.int32))}
    rows = catalog.stream(
        catalog.statement("joint_rows"), bounds, tables={"joint_samples": pa.table(names)}
    ).read_all()
    if not rows.num_rows:
        return 0
    place = f"{window.contig}:{window.start + 1}-{window.end}"
    alleles = catalog.query(
        catalog.statement("joint_alleles"), bounds | {"cohort": cohort, "place": place, "anew": anew}
    )
    ids = rows["variant_id"].combine_chunks().dictionary_encode()
    codes = ids.indices.to_numpy()
    last = _by_allele(codes, rows["number"].to_numpy(), rows["copies"].to_numpy(), len(samples))
    codes = codes[last]
    likelihoods = np.stack([rows[name].to_numpy()[last] for name in ("l0", "l1", "l2")], axis=1)
    called = rows["an"].to_numpy()[last].astype(np.int64)
    firsts = np.flatnonzero(np.append(True, codes[1:] != codes[:-1]))
    here = ids.dictionary.take(pa.array(codes[firsts]))
    an = np.add.reduceat(called, firsts)
    place_of = {name: place for place, name in enumerate(alleles["variant_id"].to_pylist())}
    if missing := set(here.to_pylist()) - place_of.keys():
        raise LakeError(
            f"{len(missing)} alleles of {cohort} have genotypes and no counts ({min(missing)})",
            str(catalog.layout.root),
            f"Run the same command again; if that does not help: baselake cohort count {cohort}",
        )
    order = np.array([place_of[name] for name in here.to_pylist()])
    known = {name: alleles[name].to_numpy()[order] for name in ("an", "rows_an", "alleles", "expected")}
    # Alleles that those have who have no row, and what others' rows came to before.
    others = np.maximum(known["an"] - known["rows_an"] - an, 0) + known["alleles"]
    expected, ratio, copies = frequencies(
        np.append(firsts, len(codes)).astype(np.int64),
        np.ascontiguousarray(likelihoods, np.int32),
        others.astype(np.float64),
        known["expected"].astype(np.float64),
    )
    n = len(here)
    starts = rows["start"].to_numpy()[last][firsts]
    columns = {
        "cohort": pa.repeat(cohort, n),
        "reference": pa.repeat(reference, n),
        "contig": pa.repeat(window.contig, n),
        "start": pa.array(starts.astype(np.int32)),
        "variant_id": here,
        "an": pa.array(an.astype(np.int32)),
        "alleles": pa.array(copies.astype(np.int32)),
        "expected": pa.array(expected),
        "log_ratio": pa.array(ratio),
    }
    found = pa.table([columns[name] for name in JOINT_SUMS.schema.names], JOINT_SUMS.schema.names)
    out.write(found.sort_by([("start", "ascending"), ("variant_id", "ascending")]))
    return n


def _by_allele(codes: np.ndarray, number: np.ndarray, copies: np.ndarray, samples: int) -> np.ndarray:
    """Places of rows allele by allele, sample by sample; of one sample's rows of an allele that with most copies.

    Args:
        codes: of each row's allele.
        number: of its sample.
        copies: of the allele that it has.
        samples: how many there are.
    """
    alleles = int(codes.max()) + 1
    place = codes.astype(np.int64) * samples + number
    row = np.full(alleles * samples, -1, np.int64)
    row[place] = np.arange(len(place))
    there = row[row >= 0]
    if len(there) < len(place):
        ascending = np.argsort(copies, kind="stable")
        row[place[ascending]] = ascending  # of equal places the last is kept
        there = row[row >= 0]
    return there
