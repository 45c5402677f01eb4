"""What a lane of a run does with a sample sheet: which index is whose, and what is kept of each read.

The rules are those BCL Convert users expect:

* Every sample of a lane has an index, or there is one sample and it takes all the lane's reads.
* An index allows 1 mismatch where the sheet does not say, 0 to 2 where it does, each index by itself. An observed
  index is a sample's if both its parts are within what the sample allows.
* Two samples that one observed index could belong to are refused before work starts: where d is the number of
  cycles that both use and that differ, and a and b what they allow, such an observed index exists exactly if
  d <= a + b. One of the two indexes is enough to tell samples apart; in the lanes of
  IndependentIndexCollisionCheck each index must.
* A sheet's index is spelled in the order the cycles are read, unless RunInfo.xml marks the read
  `IsReverseComplement="Y"` (NextSeq 1000/2000, NovaSeq X, MiSeq i100 in reads-first order): then its reverse
  complement is what is read. So i5 is written forward for these and for the MiSeq, and as the reverse complement
  for iSeq, MiniSeq, NextSeq 500/550 and NovaSeq 6000 with v1.5 reagents, which read it so and do not say so.
* An index that is shorter than its read is that of the first cycles, and the others are of no use. For a read
  that is marked so the unused cycles come first in the sheet's spelling (N2I8), and last as they are read.
"""

from dataclasses import dataclass

from baselake.ingest.illumina.override_cycles import Cycles


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterSettings:
    """Adapters to take off the ends of reads, and what happens to what is left.

    Attributes:
        sequences: of each read of the template, the adapters to look for, in the order of the reads.
        behavior: `trim` takes off the adapter and what follows; `mask` makes them N.
        stringency: the fraction of bases of the overlap that must match, 0.5 to 1.
        minimum_overlap: bases of an adapter at a read's end that are too few to be one are left.
        minimum_length: a read is not trimmed below this, but masked from where the adapter starts.
        mask_length: a read with fewer bases than this before its adapter is masked whole.
    """

    sequences: tuple[tuple[str, ...], ...]
    behavior: str
    stringency: float
    minimum_overlap: int
    minimum_length: int
    mask_length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLayout:
    """What is kept of a cluster.

    Attributes:
        segments: the cycles kept of each read of the template, 0-based in the read; (0, 0): none of it.
        umi: cycles of molecular identifiers, (read number, start, length), in the order of the cycles.
        adapters: None: none are looked for.
    """

    segments: tuple[Cycles, ...]
    umi: tuple[tuple[int, int, int], ...]
    adapters: AdapterSettings | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEntry:
    """A sample's index in a lane; a sample may have several.

    Attributes:
        sample_id: Sample_ID.
        sample_name: Sample_Name, empty where the sheet has none.
        project: Sample_Project, empty where the sheet has none.
        description: Description, empty where the sheet has none.
        line: the sheet's line, 1-based.
        index1: the bases expected in the cycles `LanePlan.index1`, as they are read; '.' in cycles this sample
            does not use; as long as those cycles.
        index2: likewise in the cycles `LanePlan.index2`.
        sheet_index1: `index` as the sheet spells it.
        sheet_index2: `index2` as the sheet spells it.
        mismatches1: how many bases of index 1 may differ.
        mismatches2: how many bases of index 2 may differ.
        layout: what is kept of this sample's clusters.
    """

    sample_id: str
    sample_name: str
    project: str
    description: str
    line: int
    index1: str
    index2: str
    sheet_index1: str
    sheet_index2: str
    mismatches1: int
    mismatches2: int
    layout: ReadLayout


@dataclass(frozen=True, slots=True, kw_only=True)
class LanePlan:
    """What to do with the clusters of a lane.

    Attributes:
        lane: 1-based.
        index1: the cycles of the first index read that any sample uses; of all its cycles where the lane has no
            samples; (0, 0) where none are used.
        index2: likewise of the second index read.
        entries: the samples' indexes, in the order of the sheet.
        default: what is kept of clusters that are no sample's.
        needs: digest of what must be done to reads when they are converted. Plans with equal digests differ in
            nothing but which sample a cluster is of.
    """

    lane: int
    index1: Cycles
    index2: Cycles
    entries: tuple[PlanEntry, ...]
    default: ReadLayout
    needs: str
