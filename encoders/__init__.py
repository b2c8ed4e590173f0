"""Autoencoders: architectures, training, import of Keras files, inference without TensorFlow, shipped weights.

Depends on `photons` only. TensorFlow is imported for training, h5py for the import, neither for inference.
"""
