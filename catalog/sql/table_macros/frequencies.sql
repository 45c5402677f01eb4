-- The frequency of alleles by a source such as gnomad, of the release that answers: the number it keeps as AF.
CREATE OR REPLACE MACRO frequencies(population, place := '') AS TABLE
SELECT a.reference, a.contig, a.start, a.variant_id, max(a.floats['AF'][1]) AS af
FROM current_annotations AS a
WHERE a.source = population AND (place = '' OR a.contig = region_contig(place))
GROUP BY a.reference, a.contig, a.start, a.variant_id
