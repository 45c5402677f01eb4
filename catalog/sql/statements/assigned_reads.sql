-- The reads of a lane in the order they are stored, laid out as one read group wants them, with the index bases that
-- tell whose they are. No join and no ORDER BY, either of which could part the segments of a template.
SELECT
    name, segment, umi, tags, filtered, index1_seq, index2_seq,
    cut_read(
        seq, CASE segment WHEN 2 THEN $segment2_start ELSE $segment1_start END,
        CASE segment WHEN 2 THEN $segment2_length ELSE $segment1_length END, adapter_start,
        $adapter_behavior, $minimum_trimmed_read_length, $mask_short_reads, 'N'
    ) AS seq,
    cut_read(
        qual, CASE segment WHEN 2 THEN $segment2_start ELSE $segment1_start END,
        CASE segment WHEN 2 THEN $segment2_length ELSE $segment1_length END, adapter_start,
        $adapter_behavior, $minimum_trimmed_read_length, $mask_short_reads, '#'
    ) AS qual,
    coalesce(substr(index1_seq, $index1_start + 1, $index1_length), '')
    || coalesce(substr(index2_seq, $index2_start + 1, $index2_length), '') AS barcode
FROM read_records
WHERE run_id = $run_id AND lane = $lane
    AND coalesce(CASE segment WHEN 2 THEN $segment2_length ELSE $segment1_length END, 1) > 0
