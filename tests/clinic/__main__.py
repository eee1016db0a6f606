"""`python -m tests.clinic PORT [FAULT...]` serves the clinic on the loopback."""

import os
import sys

import uvicorn

from tests.clinic.app import make
from tests.clinic.records import PASSWORD

uvicorn.run(
    make(*sys.argv[2:], password=os.environ.get("CLINIC", PASSWORD)),
    host="127.0.0.1",
    port=int(sys.argv[1]),
    log_level="error",
    server_header=False,
)
