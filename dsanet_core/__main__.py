"""`python -m dsanet_core`: see `dsanet_core.cli`."""

import sys

from dsanet_core.cli import main

if __name__ == "__main__":  # not in the worker processes of a run, which import this file too
    sys.exit(main())
