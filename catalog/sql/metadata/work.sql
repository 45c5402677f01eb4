-- What is still to be done with samples, for who works unasked. Plain tables: a heartbeat makes no snapshot. Times are in
-- seconds since 1970, UTC. One row a sample and assembly: `stage` is align, call or qc, or annotate of `*`; `version` is the row of `lineage`
-- that asked for it. `worker` and `lease_until`: who is at it and until when nobody else may be. Since it was asked for,
-- `tries` failed, of which `error` tells the last, and `losses` leases ran out; not tried again before `not_before`.
CREATE TABLE IF NOT EXISTS __ducklake_metadata_lake.baselake_work (
    reference VARCHAR, sample_id VARCHAR, stage VARCHAR, version BIGINT, asked BIGINT, worker VARCHAR, node VARCHAR,
    begun BIGINT, lease_until BIGINT, tries BIGINT, losses BIGINT, not_before BIGINT, error VARCHAR,
    PRIMARY KEY (reference, sample_id)
);
-- Up to which row of `lineage` each assembly's work was derived.
CREATE TABLE IF NOT EXISTS __ducklake_metadata_lake.baselake_work_seen (reference VARCHAR PRIMARY KEY, version BIGINT)
