-- Of each source the release that answers: the one that was loaded last, of each assembly.
CREATE OR REPLACE VIEW current_releases AS
SELECT * FROM annotation_releases
QUALIFY row_number() OVER (PARTITION BY source, reference ORDER BY loaded DESC, release_id DESC) = 1
