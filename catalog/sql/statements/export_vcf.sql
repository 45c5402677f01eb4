-- One VCF data line per site, in order, from one row per sample and allele. Biallelic sites are spelled here;
-- multi_allelic_sites is a table of those whose rows were joined before.
WITH
biallelic AS (
    SELECT
        g.contig, g.start, v.ref, v.alt, g.qual, g.filters, g.mq, g.fs, g.read_pos_rank_sum, g.base_q_rank_sum,
        g.gt, g.gq, g.dp, concat(coalesce(CAST(g.ad_ref AS VARCHAR), '.'), ',', coalesce(CAST(g.ad_alt AS VARCHAR), '.')) AS ad,
        array_to_string(g.pl, ',') AS pl, array_to_string(g.sb, ',') AS sb, g.ps, g.af
    FROM genotypes AS g JOIN variants AS v USING (reference, variant_id)
    WHERE g.reference = $reference AND g.sample_id = $sample AND g.site_pl IS NULL
        AND ($contig IS NULL OR (g.contig = $contig AND g.start < $end AND v."end" > $start))
),
sites AS (FROM biallelic UNION ALL BY NAME FROM multi_allelic_sites),
lines AS (
    SELECT
        c.ordinal, s.*,
        concat_ws(
            ';',
            'MQ=' || printf('%.2f', s.mq),
            'FS=' || printf('%.3f', s.fs),
            'ReadPosRankSum=' || printf('%.3f', s.read_pos_rank_sum),
            'BaseQRankSum=' || printf('%.3f', s.base_q_rank_sum)
        ) AS info
    FROM sites AS s JOIN contigs AS c ON c.reference = $reference AND c.contig = s.contig
)
SELECT
    concat_ws(
        chr(9),
        contig, start + 1, '.', ref, alt, coalesce(printf('%.2f', qual), '.'),
        CASE WHEN filters IS NULL THEN '.' WHEN len(filters) = 0 THEN 'PASS' ELSE array_to_string(filters, ';') END,
        CASE WHEN info = '' THEN '.' ELSE info END,
        CASE
            WHEN af IS NOT NULL THEN 'GT:GQ:DP:AD:AF:SB'
            WHEN ps IS NULL THEN 'GT:GQ:DP:AD:PL:SB'
            ELSE 'GT:GQ:DP:AD:PL:SB:PS'
        END,
        concat_ws(
            ':', gt, coalesce(CAST(gq AS VARCHAR), '.'), coalesce(CAST(dp AS VARCHAR), '.'), ad,
            coalesce(printf('%.4f', af), pl, '.'), coalesce(sb, '.'), CAST(ps AS VARCHAR)
        )
    ) || chr(10) AS line
FROM lines
ORDER BY ordinal, start, ref, alt
