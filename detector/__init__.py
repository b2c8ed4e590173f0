"""The road and its composition: configuration, scan, output, plots and the command line. Arithmetic lives below."""
