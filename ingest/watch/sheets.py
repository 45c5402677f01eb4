"""Which sample sheet a run is to be assigned by, of those that lie about."""

import hashlib
from pathlib import Path

from baselake.catalog.catalog import Catalog


def given_sheet(sheets: Path | None, flowcell: str, run_id: str) -> Path | None:
    """The sheet for a run in a folder of sheets; None where there is none."""
    if sheets is None:
        return None
    for name in (run_id, flowcell):
        path = sheets / f"{name}.csv"
        if name and path.is_file():
            return path
    return None


def digest_of(sheet: Path | None) -> str | None:
    """SHA-256 of a sheet, as the catalog knows it; None where there is none."""
    if sheet is None:
        return None
    try:
        return hashlib.sha256(sheet.read_bytes()).hexdigest()
    except FileNotFoundError:
        return None


def is_news(catalog: Catalog, run_id: str, sheet: Path, digest: str) -> bool:
    """Whether a sheet came later than the one that a run was last assigned by.

    A sheet that was replaced, from the command line or by one that is not in its place any more, stays replaced until
    it is saved again. Of a sheet that the run never had, the time counts that it came: copies keep the time at which it
    was written.
    """
    rows = catalog.query(
        "SELECT bool_or(sheet_id = ?) AS had, max(received) AS last FROM sample_sheets WHERE run_id = ?",
        [digest, run_id],
    ).to_pylist()
    last = rows[0]["last"]
    if last is None:
        return True
    status = sheet.stat()
    came = status.st_mtime if rows[0]["had"] else max(status.st_mtime, status.st_ctime)
    return bool(came > last.timestamp())
