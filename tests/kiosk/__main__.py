"""`python -m tests.kiosk PORT [FAULT...]` serves the kiosk on the loopback."""

import sys

import uvicorn

from tests.kiosk.app import make

uvicorn.run(
    make(*sys.argv[2:]),
    host="127.0.0.1",
    port=int(sys.argv[1]),
    log_level="critical",
    server_header=False,
)
