"""The nouns: what travels, what is kept, what can go wrong."""
