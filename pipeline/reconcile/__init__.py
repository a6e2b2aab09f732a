"""Reconciling: what a crash left behind is found, and put on its way again. A file per concern."""
