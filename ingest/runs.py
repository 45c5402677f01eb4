"""Which platform a folder is of."""

from pathlib import Path

from baselake.ingest.run_source import RunSource

RUN_INFO = "RunInfo.xml"


def open_run(folder: Path) -> RunSource | None:
    """The sequencer run in a folder; None where it is no run folder. Cheap: at most a listing of the folder.

    Raises:
        InputError: the folder is a run's, but what describes the run cannot be read.
    """
    # Imported where it is known which is needed: the command line starts faster without.
    if (folder / RUN_INFO).is_file():
        from baselake.ingest.illumina.source import IlluminaRun

        return IlluminaRun.open(folder)
    from baselake.ingest.platforms import open_platform_run

    return open_platform_run(folder)
