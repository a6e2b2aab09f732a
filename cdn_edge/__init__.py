"""Bytes out: variants by object key, cached."""
