"""The faults that the station can be given, by name: one promise broken each, under load."""

from __future__ import annotations

FAULTS = {
    "row-by-row": "the list takes longer with every row",
    "fails-often": "every third note is answered by a failure",
    "shared-tenant": "whose request it is stands where the next request overwrites it",
    "shared-record": "which patient is meant stands where the next request overwrites it",
    "remembers-keys": "whoever was let in once is let in without looking again",
    "one-queue": "all tenants wait in one queue for the list",
    "writes-later": "what is answered as done is written down some seconds later",
    "forgets-totals": "how many notes there are is kept in memory only",
    "wakes-slowly": "after a restart everything takes long",
}


def checked(names: tuple[str, ...]) -> frozenset[str]:
    """The names of faults; raises ValueError for a name that is none."""
    unknown = set(names) - set(FAULTS)
    if unknown:
        raise ValueError(f"no such fault: {', '.join(sorted(unknown))}")
    return frozenset(names)
