"""Run folders of sequencers whose reads come as FASTQ, BAM or CRAM: Element, DNBSEQ, Nanopore, PacBio, Ultima."""

from pathlib import Path

from baselake.ingest.platforms import element, mgi, nanopore, pacbio, ultima
from baselake.ingest.platforms.folder_run import FolderRun
from baselake.ingest.platforms.platform import Platform
from baselake.ingest.run_source import RunSource

_PLATFORMS: tuple[Platform, ...] = (element, nanopore, pacbio, ultima, mgi)


def open_platform_run(folder: Path) -> RunSource | None:
    """The run in a folder; None where it is no run folder of these platforms. Costs a listing or two.

    Raises:
        InputError: what describes the run cannot be read, or it holds base calls that only the maker's software
            reads.
    """
    if not folder.is_dir():
        return None
    names = frozenset(entry.name for entry in folder.iterdir())
    for platform in _PLATFORMS:
        description = platform.describe(folder, names)
        if description is not None:
            return FolderRun(root=folder, platform=platform, description=description)
    return None
