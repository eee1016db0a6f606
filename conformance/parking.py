"""Holding writers back in the target's database, so that all of them stand between check and write.

`LOCK TABLE … IN SHARE MODE` lets everybody read and nobody write. Whoever checks and then inserts
passes the check and waits with the insert; when the lock goes, all insert. A unique index or a
lock on a row withstands that, a check in the application does not: one round decides.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from conformance.instances import NotBuilt

_STEP, _STILL, _MOST = 0.01, 0.5, 5.0
"""Seconds between two looks, seconds without a further waiting writer, seconds at most."""

_WAITING = (
    "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = ANY(%s::regclass[]::oid[])"
)


@contextlib.contextmanager
def writers_held(url: str, tables: Sequence[str], writers: int) -> Iterator[None]:
    """While the block runs, writers to `tables` wait until all are there, then go together.

    They are let go when `writers` wait, when no further one has come for a while, or after five
    seconds. Raises NotBuilt without psycopg, or if the database does not answer.
    """
    connection = _connected(url)
    try:
        for table in tables:
            connection.execute(f"LOCK TABLE {table} IN SHARE MODE")
    except Exception as problem:
        connection.close()
        raise NotBuilt(f"races: park: {problem}".strip()) from None
    watcher = threading.Thread(target=_let_go, args=(url, connection, tables, writers), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        watcher.join()


def _connected(url: str) -> Any:
    try:
        import psycopg
    except ImportError:
        raise NotBuilt(
            "holding writers back needs psycopg: pip install 'psycopg[binary]', or leave out "
            "racing.database"
        ) from None
    try:
        # SQLAlchemy's way to name a driver is no part of libpq's URLs.
        return psycopg.connect(re.sub(r"^(postgres\w*)\+\w+:", r"\1:", url), connect_timeout=5)
    except psycopg.Error as problem:
        raise NotBuilt(f"racing.database does not answer: {problem}".strip()) from None


def _let_go(url: str, connection: Any, tables: Sequence[str], writers: int) -> None:
    """Wait for the writers with a second connection, and give the lock back in any case."""
    over = time.monotonic() + _MOST
    try:
        with _connected(url) as looking:
            looking.autocommit = True
            most, since = 0, time.monotonic()
            while time.monotonic() < over:
                count = int(looking.execute(_WAITING, [list(tables)]).fetchone()[0])
                if count > most:
                    most, since = count, time.monotonic()
                if count >= writers or (most and time.monotonic() - since > _STILL):
                    break
                time.sleep(_STEP)
    finally:
        connection.rollback()
        connection.close()
