"""From photons and timing to calibrated detections: scores, combined score, calibration, vetoes."""
