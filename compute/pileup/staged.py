"""The calling of one region with a GPU: what all its active regions need is computed there at once.

Where bases and qualities of the alignments lie on the device, it also walks along them. What the CPU looks at is
brought from there: reads of several operations, whose gaps it moves and whose clips it counts, and reads near what may
vary.

The stages are those of `calling.h`: reads beside the haplotypes of candidates; where these leave reads unexplained,
found sequences beside the reference; reads beside what these gave. The rest is the CPU's.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from baselake.compute.device import Gpu, Work
from baselake.compute.pairhmm.launch import gpu_costs
from baselake.compute.pairhmm.layout import Haplotypes, Pairs, Reads
from baselake.compute.pileup import _twin
from baselake.compute.pileup.resident import DeviceAlignments, told
from baselake.compute.pileup.walk import ReadPlaces, Walk, Walked
from baselake.compute.smithwaterman import launch as smithwaterman


def staged_call(
    gpu: Gpu,
    columns: dict[str, object],
    contig: npt.NDArray[np.uint8],
    start: int,
    end: int,
    ploidy: int,
    parameters: dict[str, object],
) -> dict:
    """What `_twin.call` gives.

    Raises:
        DeviceLostError: the device fails.
    """
    return _finished(gpu, _twin.StagedCalling(columns, contig, start, end, ploidy, parameters))


def resident_call(
    alignments: DeviceAlignments,
    columns: dict[str, object],
    contig: npt.NDArray[np.uint8],
    start: int,
    end: int,
    ploidy: int,
    parameters: dict[str, Any],
) -> dict | None:
    """What `_twin.call` gives, from alignments on a device.

    Args:
        alignments: the rows.
        columns: their columns, but for bases and qualities.
        contig, start, end, ploidy, parameters: as of `staged_call`.

    Returns:
        None where the device has not the memory: that is the CPU's.

    Raises:
        DeviceLostError: the device fails.
        LakeError: a block is damaged.
    """
    gpu = alignments.gpu
    lengths = {"seq": alignments.lengths, "qual": alignments.qualities}
    texts = {name: (_offsets(sizes), np.zeros(0, np.uint8)) for name, sizes in lengths.items()}
    given = (columns | texts | {"resident": True}, contig, start, end, ploidy, parameters)
    calling = _twin.WalkedCalling(*given)
    with gpu.using():
        work = gpu.work()
        try:
            staged = _walked(gpu, work, alignments, calling, int(parameters["min_base_quality"]))
        except Exception as error:
            if not gpu.out_of_memory(error):
                raise
            work.wait()
            return None
    return _finished(gpu, staged)


def _walked(
    gpu: Gpu, work: Work, alignments: DeviceAlignments, calling: _twin.WalkedCalling, least_quality: int
) -> _twin.StagedCalling:
    """The reads of a part walked along, and those that the calling needs brought."""
    tied = calling.tied()
    if len(tied["row"]):
        begin, end = int(tied["start"].min()), int(tied["end"].max())
        tied |= {"begin": begin, "reference": np.zeros(end - begin, np.uint8)}
        walk, wrong = _unfolded(gpu, work, alignments, tied)
        bases, _ = walk.gather(np.arange(len(wrong), dtype=np.int32))
        work.wait()
        _check(alignments, wrong)
        calling.untie(bases)
    reads = calling.reads()
    walk, wrong = _unfolded(gpu, work, alignments, reads)
    walk.merge(reads["first"], reads["second"], reads["second_keeps"], reads["ops"])
    brought = walk.gather(reads["several"])
    work.wait()
    _check(alignments, wrong)
    found = walk.walk(calling.realigned(*brought), least_quality)
    needed = calling.walked(*(getattr(found, name) for name in Walked.__slots__))
    brought = walk.gather(needed)
    work.wait()
    return calling.calling(*brought)


def _unfolded(
    gpu: Gpu, work: Work, alignments: DeviceAlignments, reads: dict
) -> tuple[Walk, npt.NDArray[np.int32]]:
    """Reads whose bases and qualities are being written, and what will be wrong with each."""
    names = ("start", "end", "fragment", "reference", "begin")
    places = ReadPlaces(**{name: reads[name] for name in names}, offsets=_offsets(reads["length"]))
    bases, quality = (work.empty(max(1, int(places.offsets[-1])), np.uint8) for _ in range(2))
    walk = Walk(gpu, work, places, bases, quality)
    return walk, walk.unfold(alignments, reads["row"], reads["ops"])


def _check(alignments: DeviceAlignments, wrong: npt.NDArray[np.int32]) -> None:
    if wrong.any():
        raise told(alignments.decoded, ValueError("a change of no base"))


def _offsets(lengths: npt.NDArray) -> npt.NDArray[np.int32]:
    return np.concatenate((np.zeros(1, np.int32), np.cumsum(lengths, dtype=np.int32)))


def _finished(gpu: Gpu, calling: _twin.StagedCalling) -> dict:
    """The stages."""
    sequences = calling.compared(_costs(gpu, calling.pairs()))
    aligned = smithwaterman.gpu_align(gpu, smithwaterman.Pairs(**sequences), slack=_twin.SLACK_OF_HAPLOTYPES)
    return calling.compared_again(_costs(gpu, calling.aligned(aligned.offsets, aligned.ops)))


def _costs(gpu: Gpu, arrays: Mapping[str, npt.NDArray]) -> npt.NDArray[np.float32]:
    """The costs of the pairs that a stage gives."""
    return gpu_costs(
        gpu,
        Reads(offsets=arrays["read_offsets"], bases=arrays["read_bases"], quality=arrays["quality"]),
        Haplotypes(
            offsets=arrays["haplotype_offsets"],
            bases=arrays["haplotype_bases"],
            insertion=arrays["open"],
            deletion=arrays["open"],
        ),
        Pairs(**{name: arrays[name] for name in ("read", "haplotype", "diagonal", "left", "right")}),
    )
