"""`python -m conformance` is the command `wardproof`."""

import sys

from conformance.cli import main

sys.exit(main())
