"""Writers held back in a real database: what withstands that, and what does not."""

import secrets
import threading
from collections.abc import Iterator

import psycopg
import pytest

from conformance.instances import NotBuilt
from conformance.parking import writers_held

WRITERS = 4


@pytest.fixture
def beds(cluster: str) -> Iterator[tuple[str, str]]:
    """The database, and a table of beds that nobody holds yet."""
    table = f"beds_{secrets.token_hex(4)}"
    with psycopg.connect(cluster, autocommit=True) as connection:
        connection.execute(f"CREATE TABLE {table} (bed text, who integer)")
        yield cluster, table
        connection.execute(f"DROP TABLE {table}")


def _admit(url: str, table: str, who: int, told: list[int]) -> None:
    """Look whether the bed is free, and take it."""
    with psycopg.connect(url) as connection:
        free = connection.execute(f"SELECT 1 FROM {table} WHERE bed = '7'").fetchone() is None
        if free:
            try:
                connection.execute(f"INSERT INTO {table} VALUES ('7', %s)", [who])
            except psycopg.errors.UniqueViolation:
                return
            told.append(who)


def _raced(url: str, table: str) -> list[int]:
    told: list[int] = []
    threads = [
        threading.Thread(target=_admit, args=(url, table, who, told)) for who in range(WRITERS)
    ]
    with writers_held(url, [table], WRITERS):
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join()
    return told


def test_one_round_shows_a_check_before_an_insert(beds: tuple[str, str]) -> None:
    assert sorted(_raced(*beds)) == list(range(WRITERS))


def test_a_unique_index_withstands(beds: tuple[str, str]) -> None:
    url, table = beds
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE UNIQUE INDEX ON {table} (bed)")
    assert len(_raced(url, table)) == 1


def test_a_table_that_is_not_there_is_named(beds: tuple[str, str]) -> None:
    url, _ = beds
    with (
        pytest.raises(NotBuilt, match=r"park: relation .* does not exist"),
        writers_held(url, ["wards_of_nobody"], 2),
    ):
        pass


def test_a_database_that_does_not_answer_is_named() -> None:
    url = "postgresql://nobody@127.0.0.1:1/nothing"
    with (
        pytest.raises(NotBuilt, match=r"racing\.database does not answer"),
        writers_held(url, ["beds"], 2),
    ):
        pass
