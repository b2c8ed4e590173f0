"""Settings: defaults, a YAML file over them, environment variables over that; one model per section."""
