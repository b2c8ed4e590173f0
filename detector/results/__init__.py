"""What a scan reports: rows, their columns, and the files they are written to."""
