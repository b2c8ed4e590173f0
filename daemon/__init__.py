"""The daemon: watches archives, processes new files in worker processes, sends alerts, checks itself nightly."""
