"""Which platform a folder is of."""

from pathlib import Path

from baselake.errors import NotFoundError
from baselake.ingest.run_source import RunSource

RUN_INFO = "RunInfo.xml"
_BASE_CALLS = Path("Data", "Intensities", "BaseCalls")


def open_run(folder: Path) -> RunSource | None:
    """The sequencer run in a folder; None where it is no run folder. Cheap: at most a listing of the folder.

    Raises:
        InputError: the folder is a run's, but what describes the run cannot be read.
        NotFoundError: it holds an Illumina instrument's base calls, but not what describes the run.
    """
    # Imported where it is known which is needed: the command line starts faster without.
    if (folder / RUN_INFO).is_file():
        from baselake.ingest.illumina.source import IlluminaRun

        return IlluminaRun.open(folder)
    from baselake.ingest.platforms import open_platform_run

    source = open_platform_run(folder)
    if source is None and any((folder / _BASE_CALLS).glob("L[0-9][0-9][0-9]")):
        raise NotFoundError(
            "the file is missing, without which nobody knows what the base calls are of",
            str(folder / RUN_INFO),
            "Copy it from the instrument too",
        )
    return source
