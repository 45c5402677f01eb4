"""What exists, where it is and how it came to be: DuckLake tables, transactions, SQL and export."""
