-- Reads as the sample sheet wants them: with the sample they are assigned to now, cut to the cycles it keeps, their
-- adapters trimmed or masked if it says so. What is stored are all cycles as they left the sequencer.
CREATE OR REPLACE VIEW reads AS
WITH
assigned AS (
    SELECT
        r.*, coalesce(r.read_group_id, a.read_group_id) AS group_id, l.segment1_start, l.segment1_length,
        l.segment2_start, l.segment2_length
    FROM read_records AS r
    LEFT JOIN lane_layouts AS l ON l.run_id = r.run_id AND l.lane = r.lane
    LEFT JOIN barcode_assignments AS a
        ON a.run_id = r.run_id AND a.lane = r.lane
        AND a.index1_seq = coalesce(substr(r.index1_seq, l.index1_start + 1, l.index1_length), '')
        AND a.index2_seq = coalesce(substr(r.index2_seq, l.index2_start + 1, l.index2_length), '')
),
laid_out AS (
    SELECT
        r.*, g.sample_id, g.adapter_behavior, g.minimum_trimmed_read_length, g.mask_short_reads,
        CASE
            WHEN r.segment = 2 THEN coalesce(g.segment2_start, r.segment2_start, 0)
            ELSE coalesce(g.segment1_start, r.segment1_start, 0)
        END AS first,
        CASE
            WHEN r.segment = 2 THEN coalesce(g.segment2_length, r.segment2_length)
            ELSE coalesce(g.segment1_length, r.segment1_length)
        END AS kept
    FROM assigned AS r LEFT JOIN read_groups AS g ON g.read_group_id = r.group_id
)
SELECT
    run_id, lane, sample_id, group_id AS read_group_id, name, segment,
    cut_read(
        seq, first, kept, adapter_start, adapter_behavior, minimum_trimmed_read_length, mask_short_reads, 'N'
    ) AS seq,
    cut_read(
        qual, first, kept, adapter_start, adapter_behavior, minimum_trimmed_read_length, mask_short_reads, '#'
    ) AS qual,
    index1_seq, index1_qual, index2_seq, index2_qual, umi, tags, filtered, comment, tile
FROM laid_out
WHERE kept IS NULL OR kept > 0  -- a read of which the sheet keeps nothing is none
