"""Which libvips is loaded, for who must not load it: python -m pipeline.engine_version."""

import sys

import pyvips

if __name__ == "__main__":
    sys.stdout.write(".".join(str(pyvips.version(part)) for part in range(3)))
