"""The calling of one region with a GPU: what all its active regions need is computed there at once.

The stages are those of `calling.h`: reads beside the haplotypes of candidates; where these leave reads unexplained,
found sequences beside the reference; reads beside what these gave. The rest is the CPU's.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from baselake.compute.device import Gpu
from baselake.compute.pairhmm.launch import gpu_costs
from baselake.compute.pairhmm.layout import Haplotypes, Pairs, Reads
from baselake.compute.pileup import _twin
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
    calling = _twin.StagedCalling(columns, contig, start, end, ploidy, parameters)
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
