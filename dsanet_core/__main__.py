"""`python -m dsanet_core`: see `dsanet_core.cli`."""

import sys

from dsanet_core.cli import main

sys.exit(main())
