"""The verbs: originals in, variants out."""
