"""What a duty scientist sees of a candidate: its evidence in numbers, one plot sheet, and its name."""
