"""Check, list and create plugins, and catch their failures."""
