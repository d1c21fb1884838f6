"""``python3 -m ecbpf.build``: the command line is in cli/build.py."""

import sys

from ecbpf.cli.build import main

sys.exit(main())
