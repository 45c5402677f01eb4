-- Folders that hold copies of the lake's files, by which `doctor --repair` may mend it. A plain table: it is about
-- files. `taken` is in seconds since 1970, UTC.
CREATE TABLE IF NOT EXISTS __ducklake_metadata_lake.baselake_backup_folders (
    folder VARCHAR PRIMARY KEY, taken BIGINT
)
