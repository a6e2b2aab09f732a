"""calotype import: pictures go through the public API, each once, however often it is run."""
