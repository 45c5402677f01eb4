"""Who is in a cohort, and the genome in pieces that its genotypes fit."""

from collections.abc import Iterator

from baselake.catalog.catalog import Catalog
from baselake.catalog.references import Reference
from baselake.errors import NotFoundError
from baselake.lake.region import Region

# Genotypes that are looked at together.
_WINDOW_GENOTYPES = 2_000_000


def cohort_members(catalog: Catalog, cohort: str) -> list[str]:
    """The samples of a cohort, family or of `all`, or the one sample, sorted.

    Raises:
        NotFoundError: there are none.
    """
    rows = catalog.query("SELECT sample_id FROM cohort_members(?) ORDER BY 1", [cohort])
    found: list[str] = rows["sample_id"].to_pylist()
    if not found:
        raise NotFoundError(
            f"no cohort, family or sample {cohort!r} that has samples",
            str(catalog.layout.root),
            "See: baselake cohort, baselake pedigree, baselake samples",
        )
    return found


def stretches(reference: Reference, region: Region | None) -> list[Region]:
    """A region, or every contig of the assembly."""
    if region is not None:
        return [region]
    return [Region(contig, 0, length) for contig, length in reference.lengths.items()]


def allele_windows(catalog: Catalog, reference: Reference, stretch: Region, samples: int) -> Iterator[Region]:
    """Parts of a stretch with about so many alleles that genotypes of so many samples fit."""
    starts = catalog.query(
        "SELECT start FROM variants WHERE reference = ? AND contig = ? AND start >= ? AND start < ? ORDER BY 1",
        [reference.name, stretch.contig, stretch.start, stretch.end],
    )["start"].to_numpy()
    if not len(starts):
        return
    alleles = max(1, _WINDOW_GENOTYPES // samples)
    cuts = sorted({int(starts[i]) for i in range(0, len(starts), alleles)})
    for first, end in zip(cuts, [*cuts[1:], stretch.end], strict=True):
        yield Region(stretch.contig, first, end)
