"""`python -m tests.lodge PORT FOLDER` serves the lodge; its books are kept in the folder."""

import os
import sys
from pathlib import Path

import uvicorn

from tests.lodge.app import make

uvicorn.run(
    make(Path(sys.argv[2]) / "books.sqlite", *os.environ.get("LODGE_FAULTS", "").split()),
    host="127.0.0.1",
    port=int(sys.argv[1]),
    log_level="error",
    server_header=False,
)
