"""Reference catalogues on disk, their neighbour index and their export."""
