"""How many samples of a shared file have which genotype of each allele, added up while its tiles are made.

Of samples that are new the counts that the catalog keeps need no more (`catalog/counting.py`), but where alleles touch
one another.
"""

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pyarrow as pa

from baselake.catalog.counting import TALLIES, Membership

# With more sites times genotypes than this those that are there are sorted out.
_DENSE = 1 << 22


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
        self._group_of = np.array([numbers[one] for one in sets], np.int64)
        self.tables: list[pa.Table] = []

    def add(
        self, constants: Mapping[str, str], site: pa.Table, blocks: Sequence[pa.Table], gts: Sequence[str]
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
        size = len(self._groups) * site.num_rows * kinds
        total = np.zeros(size if size <= _DENSE else 0, np.int64)
        keys = []
        copies = np.full(kinds, -1, np.int8)
        for block in blocks:
            gt = block["gt"].fill_null(len(gts)).to_numpy()
            copies[gt] = block["alt_copies"].fill_null(-1).to_numpy()
            place = block["site"].to_numpy().astype(np.int64)
            if len(self._groups) > 1:
                place += self._group_of[block["sample"].to_numpy()] * site.num_rows
            key = place * kinds + gt
            if len(total):
                total += np.bincount(key, minlength=size)
            else:
                keys.append(key)
        if len(total):
            found = np.flatnonzero(total)
            counts = total[found]
        else:
            found, counts = np.unique(np.concatenate(keys), return_counts=True)
        places, gt = np.divmod(found, kinds)
        group, row = np.divmod(places, site.num_rows)
        for number, cohorts in enumerate(self._groups):
            here = group == number
            for cohort in sorted(cohorts):
                sites, kind = site.take(pa.array(row[here])), gt[here]
                columns = {
                    **{name: pa.repeat(value, len(kind)) for name, value in constants.items()},
                    "cohort": pa.repeat(cohort, len(kind)),
                    "start": sites["start"],
                    "variant_id": sites["variant_id"].cast(pa.string()),
                    "gt": pa.array([*gts, None], pa.string()).take(pa.array(kind)),
                    "alt_copies": pa.array(copies[kind], mask=copies[kind] < 0),
                    "n": pa.array(counts[here]),
                    "first": sites["record"],
                    "last": sites["record"],
                }
                rows = pa.table({field.name: columns[field.name] for field in TALLIES}, schema=TALLIES)
                self.tables.append(rows.filter(rows["variant_id"].is_valid()))
