"""Results of a scan: the schema of all quantities, rows, tables and files."""
