"""From photons and timing to calibrated detections: scores, combined score, calibration, vetoes.

`detect.detect` is the road; modules that only need settings or results import no kernels.
"""
