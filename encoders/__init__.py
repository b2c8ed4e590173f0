"""Autoencoders: architectures, training, safe import of legacy files, inference without TensorFlow, shipped weights.

The room stands on `photons` alone; TensorFlow is imported by what trains and imports, never by what runs an encoder.
"""
