-- The job that wrote a data file, which its name tells wherever the file lies; NULL for a file that DuckLake wrote.
CREATE OR REPLACE MACRO job_of_file(file) AS
nullif(regexp_extract(file, '([0-9]{8}T[0-9]{6}-[0-9a-f]{12})-[0-9]+\.parquet$', 1), '')
