-- Stretches of X and Y that a male has one copy of: without the pseudo-autosomal regions, which the length of X tells
-- the assembly of (compute/ploidy.py has their sources). Of other assemblies X and Y are taken whole.
CREATE OR REPLACE VIEW sex_linked AS
WITH
between_par(x_length, x_start, x_end, y_start, y_end) AS (
    VALUES
        (155270560, 2699520, 154931043, 2649520, 59034049),
        (156040895, 2781479, 155701382, 2781479, 56887902),
        (154259566, 2394410, 153925834, 2458320, 62122809)
),
assemblies AS (
    SELECT c.reference, p.*
    FROM contigs AS c JOIN between_par AS p ON p.x_length = c.length
    WHERE c.contig IN ('X', 'chrX')
)
SELECT
    c.reference, c.contig, right(c.contig, 1) AS chromosome,
    CASE right(c.contig, 1) WHEN 'X' THEN coalesce(a.x_start, 0) ELSE coalesce(a.y_start, 0) END AS start,
    CASE right(c.contig, 1) WHEN 'X' THEN coalesce(a.x_end, c.length) ELSE coalesce(a.y_end, c.length) END AS "end"
FROM contigs AS c LEFT JOIN assemblies AS a USING (reference)
WHERE c.contig IN ('X', 'chrX', 'Y', 'chrY')
