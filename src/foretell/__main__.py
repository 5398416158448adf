"""`python -m foretell` is `foretell`."""

import sys

from foretell.cli import main

sys.exit(main())
