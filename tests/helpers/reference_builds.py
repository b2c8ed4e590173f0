"""Settings of small reference catalogues that tests build from the command line."""

from __future__ import annotations

SOURCES = 700

SETTINGS = """
reference:
  folder: {folder}
  exact_below: 30000
  association: {{min_transients: 2, max_p_value: 0.05}}
  built_in: {{sources: 600, cases: [quick], variable_fraction: 0.5}}
cases:
  2D-PCA:
    representation: {{name: et_map, normalise: false}}
    extractor: {{name: pca, components: 15, solver: published}}
    embedder: {{name: tsne, perplexity: 30, max_iter: 300, random_state: 11}}
    clustering: {{eps: 2.5, min_samples: 10}}
  3D-PCA:
    representation: {{name: etdt_cube, normalise: false}}
    extractor: {{name: pca, components: 22, solver: published}}
    embedder: {{name: tsne, perplexity: 30, max_iter: 300, random_state: 11}}
    clustering: {{eps: 2.5, min_samples: 10}}
  2D-AE:
    representation: {{name: et_map, normalise: true}}
    extractor: {{name: autoencoder, encoder: et_map_12}}
    embedder: {{name: tsne, perplexity: 30, max_iter: 300, random_state: 2412}}
    clustering: {{eps: 2.5, min_samples: 10}}
  3D-AE:
    representation: {{name: etdt_cube, normalise: true}}
    extractor: {{name: autoencoder, encoder: etdt_cube_24}}
    embedder: {{name: tsne, perplexity: 30, max_iter: 300, random_state: 2412}}
    clustering: {{eps: 2.5, min_samples: 10}}
  quick:
    representation: {{name: livetime_map}}
    extractor: {{name: pca, components: 10}}
    embedder: {{name: fast_tsne, perplexity: 20}}
    clustering: {{eps: 2.5, min_samples: 10}}
  statistics:
    extractor: {{name: timing}}
    embedder: {{name: fast_tsne, perplexity: 20}}
"""
