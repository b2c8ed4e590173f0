"""One module a mission, each from file to `Observation`; plugins like anyone else's, found through entry points."""
