"""`python -m tests.almanac PORT [FAULT...]` serves the almanac on the loopback."""

import os
import sys

import uvicorn

from tests.almanac.app import make

uvicorn.run(
    make(*sys.argv[2:], test_mode=os.environ.get("ALMANAC_TEST") == "1"),
    host="127.0.0.1",
    port=int(sys.argv[1]),
    log_level="error",
    server_header=False,
)
