"""Processing of complete files by worker processes, and what is stored of each."""
