"""The nightly job: drift of false-alarm rates, and rebuilds of the references in use."""
