"""calotype status: who is there, what waits, and whether that is well."""
