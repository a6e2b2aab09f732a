"""Google's SDK against a server that speaks Google's protocol: every answer, every failure."""
