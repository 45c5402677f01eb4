-- Where the kept files lie that are not in the lake's folder. `path` is the file's in the table `objects`, which every
-- snapshot has alike; `location` is an absolute path or URL, after `cold:` where the file must be recalled first. A plain
-- table, as those of data files' places are: a file lies in one place for all snapshots.
CREATE TABLE IF NOT EXISTS __ducklake_metadata_lake.baselake_object_places (
    path VARCHAR PRIMARY KEY, location VARCHAR
)
