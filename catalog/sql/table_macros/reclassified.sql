-- Alleles that samples carry of which a source says something else than its release of an earlier time did. `since` is a
-- snapshot's number or name, or a time; '' is the release before today's. `key` is what is compared. `was` is NULL where the earlier release had nothing,
-- `now` where today's has nothing.
CREATE OR REPLACE MACRO reclassified(source_name, since := '', key := 'CLNSIG') AS TABLE
WITH
moment AS (
    SELECT coalesce(
        (
            SELECT CAST(s.snapshot_time AS TIMESTAMPTZ) FROM __ducklake_metadata_lake.ducklake_snapshot AS s
            WHERE s.snapshot_id = TRY_CAST(since AS BIGINT)
        ),
        (
            SELECT CAST(s.snapshot_time AS TIMESTAMPTZ) FROM __ducklake_metadata_lake.baselake_snapshot_names AS n
            JOIN __ducklake_metadata_lake.ducklake_snapshot AS s ON s.snapshot_id = n.snapshot_id
            WHERE n.name = since
        ),
        TRY_CAST(since AS TIMESTAMPTZ),
        CASE WHEN since <> '' THEN error('no snapshot and no time: ' || since) END
    ) AS at
),
earlier AS (
    SELECT r.reference, r.release_id, r.version FROM annotation_releases AS r
    WHERE r.source = source_name AND r.loaded <= coalesce((SELECT m.at FROM moment AS m), 'infinity')
        AND (since <> '' OR r.release_id NOT IN (SELECT n.release_id FROM current_releases AS n))
    QUALIFY row_number() OVER (PARTITION BY r.reference ORDER BY r.loaded DESC, r.release_id DESC) = 1
),
releases AS (
    SELECT n.reference, e.release_id AS before, e.version AS version_before, n.release_id AS after, n.version
    FROM current_releases AS n LEFT JOIN earlier AS e ON e.reference = n.reference
    WHERE n.source = source_name AND n.kind = 'alleles'
),
said AS (
    SELECT
        a.reference, a.contig, a.start, a.variant_id,
        list_sort(list_distinct(flatten(list(v.words) FILTER (a.release_id = r.before)))) AS was,
        list_sort(list_distinct(flatten(list(v.words) FILTER (a.release_id = r.after)))) AS now,
        any_value(r.version_before) AS version_before, any_value(r.version) AS version
    FROM annotations AS a
    JOIN releases AS r ON r.reference = a.reference AND a.release_id IN (r.before, r.after),
        LATERAL (SELECT coalesce(
            a.strings[key], CAST(a.integers[key] AS VARCHAR[]), CAST(a.floats[key] AS VARCHAR[])
        ) AS words) AS v
    WHERE a.source = source_name
    GROUP BY a.reference, a.contig, a.start, a.variant_id
)
SELECT
    s.reference, s.variant_id, s.was, s.now, s.version_before, s.version,
    list_sort(list(DISTINCT c.sample_id)) AS sample_ids
FROM said AS s JOIN calls AS c USING (reference, contig, start, variant_id)
WHERE s.was IS DISTINCT FROM s.now
GROUP BY ALL
