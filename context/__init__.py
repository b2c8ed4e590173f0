"""What is known at a position: catalogues and their sources, association, fluxes and limits."""
