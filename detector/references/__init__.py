"""Reference catalogues: from a population to features, map, clusters and candidates; reproduced, shown, kept."""
