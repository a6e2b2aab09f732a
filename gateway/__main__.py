"""`python -m gateway` is `calotype`."""

from gateway.cli import main

main()
