"""Requests in: the REST API and the command line."""
