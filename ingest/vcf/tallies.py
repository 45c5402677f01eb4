"""How many samples of a shared file have which genotype of each allele, added up while its tiles are made.

Of samples that are new the counts that the catalog keeps need no more (`catalog/counting.py`), but where alleles touch
one another.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa

from baselake.catalog.counting import TALLIES, Membership
from baselake.ingest.vcf._reader import add_up

# So many counts are kept at a time, 32 MiB: genotypes of more groups of samples are looked at again.
_COUNTS = 1 << 22


class Tallies:
    """The genotypes of a file.

    Attributes:
        tables: what was added up, as `catalog.counting.TALLIES` has it.

    Args:
        samples: of the file, as its parts number them.
        counted: cohorts with their members; who is in none is not counted.
    """

    def __init__(self, samples: Sequence[str], counted: Collection[Membership]) -> None:
        cohorts: dict[str, set[str]] = {name: set() for name in samples}
        for cohort, name in counted:
            if name in cohorts:
                cohorts[name].add(cohort)
        sets = [frozenset(cohorts[name]) for name in samples]
        # Samples of the same cohorts are counted together.
        self._groups = list(dict.fromkeys(sets))
        numbers = {group: number for number, group in enumerate(self._groups)}
        self._group_of = np.array([numbers[one] for one in sets], np.int32)
        self.tables: list[pa.Table] = []

    def add(
        self,
        constants: Mapping[str, str],
        site: pa.Table,
        blocks: Sequence[pa.RecordBatch],
        gts: Sequence[str],
    ) -> None:
        """Add the genotypes of a part.

        Args:
            constants: what all rows share: reference, contig and source_id.
            site: columns variant_id, start and record of the rows that every sample has.
            blocks: columns site, sample, gt and alt_copies of the rows of some samples each.
            gts: what `gt` numbers.
        """
        if not any(self._groups):
            return
        kinds = len(gts) + 1  # the last: no genotype
        copies = np.full(kinds, -1, np.int8)
        at_a_time = max(1, _COUNTS // (site.num_rows * kinds))
        for first in range(0, len(self._groups), at_a_time):
            groups = self._groups[first : first + at_a_time]
            counts = np.zeros((len(groups), site.num_rows, kinds), np.int64)
            for block in blocks:
                add_up(
                    counts,
                    copies,
                    self._group_of - first,
                    sites=block["site"].to_numpy(),
                    samples=block["sample"].to_numpy(),
                    kinds=block["gt"].fill_null(len(gts)).to_numpy(),
                    alt_copies=block["alt_copies"].fill_null(-1).to_numpy(),
                )
            self._keep(constants, site, [*gts, None], groups, counts, copies)

    def _keep(
        self,
        constants: Mapping[str, str],
        site: pa.Table,
        gts: Sequence[str | None],
        groups: Sequence[frozenset[str]],
        counted: np.ndarray,
        copies: np.ndarray,
    ) -> None:
        """Keep counts by group, row of `site` and genotype, of which `copies` are those of the alternate."""
        group, row, gt = np.nonzero(counted)
        counts = counted[group, row, gt]
        ids = site["variant_id"].combine_chunks()
        texts = pa.array(gts, pa.string())
        named = ids.is_valid().to_numpy(zero_copy_only=False)[row]
        for number, cohorts in enumerate(groups):
            here = named & (group == number)
            rows, kind = row[here].astype(np.int32), gt[here].astype(np.int32)
            record = site["record"].take(pa.array(rows))
            same = pa.array(np.zeros(len(rows), np.int32))
            for cohort in sorted(cohorts):
                columns = {
                    name: pa.DictionaryArray.from_arrays(same, pa.array([value]))
                    for name, value in (*constants.items(), ("cohort", cohort))
                }
                columns |= {
                    "start": site["start"].take(pa.array(rows)),
                    "variant_id": pa.DictionaryArray.from_arrays(pa.array(rows), ids),
                    "gt": pa.DictionaryArray.from_arrays(pa.array(kind), texts),
                    "alt_copies": pa.array(copies[kind], mask=copies[kind] < 0),
                    "n": pa.array(counts[here]),
                    "first": record,
                    "last": record,
                }
                self.tables.append(pa.table([columns[name] for name in TALLIES.names], schema=TALLIES))
