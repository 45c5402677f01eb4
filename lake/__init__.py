"""Storage: table schemas, Parquet encodings, partition paths, regions and stores. Knows no SQL."""
