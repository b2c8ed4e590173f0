"""Statistics on photon lists: does a source vary beyond what chance allows, when, and how sure is that."""
