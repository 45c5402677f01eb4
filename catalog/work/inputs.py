"""Which bytes a stage reads, and how many of them lie on this node."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from baselake.catalog.tiers.settings import load_tiers
from baselake.config import Config
from baselake.lake.tiers import Tier

if TYPE_CHECKING:
    from baselake.catalog.catalog import Catalog
    from baselake.catalog.job import Job

_TABLES = {
    "align": ["stored_reads"],
    "call": ["stored_alignments"],
    "qc": ["stored_alignments", "genotypes", "reference_blocks"],
    "annotate": [],  # alleles are no sample's, and small
}


@dataclass(frozen=True, slots=True)
class Inputs:
    """Bytes of whole files, whatever part of them is read.

    Attributes:
        near: on tiers that `is_near` says stand here.
        far: on others.
    """

    near: int = 0
    far: int = 0

    @property
    def share(self) -> float:
        """Of all bytes that are near; 1 where there are none."""
        return self.near / (self.near + self.far) if self.near + self.far else 1.0


def stage_inputs(catalog: "Catalog", stage: str, samples: Sequence[str]) -> dict[str, Inputs]:
    """What a stage of each sample would read.

    Args:
        catalog: the lake.
        stage: `align`, `call`, `qc` or `annotate`.
        samples: ids.
    """
    tiers = load_tiers(catalog.connection)
    rows = catalog.query(
        catalog.statement("work_files"),
        {
            "data": f"{catalog.layout.data}{os.sep}",
            "tables": _TABLES[stage],
            "samples": list(samples),
        },
    )
    found = dict.fromkeys(samples, Inputs())
    for row in rows.to_pylist():
        known, size = found[row["sample_id"]], int(row["bytes"])
        if is_near(_tier_of(row["location"], tiers), catalog.config):
            found[row["sample_id"]] = Inputs(known.near + size, known.far)
        else:
            found[row["sample_id"]] = Inputs(known.near, known.far + size)
    return found


def count_inputs(catalog: "Catalog", job: "Job", stage: str, sample: str) -> None:
    """Have a job's lineage tell what it read, and how much of it was near."""
    inputs = stage_inputs(catalog, stage, [sample])[sample]
    job.bytes_near += inputs.near
    job.bytes_far += inputs.far


def is_near(tier: Tier, config: Config) -> bool:
    """Whether a tier stands on this node or in its zone; one of which nobody said where, if it is a folder."""
    return tier.zone in (config.node, config.zone) if tier.zone else "://" not in tier.url


def _tier_of(location: str, tiers: Sequence[Tier]) -> Tier:
    """The tier a file lies on: the hot one where no other's place is above it."""
    return next((tier for tier in tiers[1:] if location.startswith(f"{tier.url}/")), tiers[0])
