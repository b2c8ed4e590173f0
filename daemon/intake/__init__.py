"""From what an archive lists to complete, hashed files: polling, notices, companions, downloads."""
