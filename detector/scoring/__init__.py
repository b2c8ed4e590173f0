"""From photons and timing to scores: features, scorers, combined score, vetoes, similar transients."""
