"""From a drop to an alert, for months on end: whole files, the road in worker processes, the daemon, its metrics."""
