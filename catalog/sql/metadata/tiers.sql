-- Where data files may lie and by which policy they move. Plain tables: they are about files, and hold at every
-- snapshot. Times are in seconds since 1970, UTC. The hot tier is the lake's own folder and has no URL.
CREATE TABLE IF NOT EXISTS __ducklake_metadata_lake.baselake_tiers (
    name VARCHAR PRIMARY KEY, ordinal BIGINT, url VARCHAR, kind VARCHAR, capacity_bytes BIGINT,
    cost_per_tb_month DOUBLE, zone VARCHAR, high DOUBLE, low DOUBLE, added BIGINT
);
CREATE TABLE IF NOT EXISTS __ducklake_metadata_lake.baselake_tier_rules (
    table_name VARCHAR, tier VARCHAR, after_seconds BIGINT, idle_seconds BIGINT
);
-- `subject`: a sample or a run; `until`: NULL for ever.
CREATE TABLE IF NOT EXISTS __ducklake_metadata_lake.baselake_tier_pins (
    subject VARCHAR PRIMARY KEY, until BIGINT
);
-- How often queries read a file of this name, and when last.
CREATE TABLE IF NOT EXISTS __ducklake_metadata_lake.baselake_file_reads (
    name VARCHAR PRIMARY KEY, reads BIGINT, last_read BIGINT
);
-- Copies that are to go. `reason` is `moved`: the file lies elsewhere now, and queries that began before may still
-- read this copy until `not_before`; or `unfinished`: the target of a move under way, which is here from before its
-- first byte is written until it is registered, so that what a killed mover left is known.
CREATE TABLE IF NOT EXISTS __ducklake_metadata_lake.baselake_removals (
    location VARCHAR PRIMARY KEY, name VARCHAR, bytes BIGINT, reason VARCHAR, not_before BIGINT
)
