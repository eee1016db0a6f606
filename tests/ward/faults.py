"""The faults that the ward can be given, by name: one promise broken each."""

from __future__ import annotations

FAULTS = {
    # One bed, one patient
    "checks-first": "two who find the bed free at one instant both get it",
    "told-twice": "two who find the bed free are both told so, and one lies in it",
    "in-silence": "who is told that the bed is taken lies in it all the same",
    "mistakes": "in the bed lies somebody else than who was told to have it",
    "nobody": "when two want the bed at one instant, both are refused",
    "breaks": "who comes too late meets a server error",
    "other-words": "who comes too late is answered as if the request were wrong",
    "moves-unchecked": "who is moved into a bed is not asked whether it is free",
    "wishes-unchecked": "whoever asked for a bed and was told to wait lies in it in the end",
    # Versions
    "last-writer": "of two who change one version at one instant both are done",
    "any-version": "a change that names no version replaces any",
    "old-version": "a remark gives no new version",
    # Keys
    "key-ignored": "a request that comes again is done again",
    "key-late": "a key is kept when all is done, so that two at one instant are both done",
    "key-any-body": "a key answers for every body",
    "key-of-ward": "a key answers for everybody",
    "key-any-order": "a key answers for every order",
    # Numbers
    "counted": "two bills at one instant get the number that follows the last",
    "leaves-out": "a number is left out when two bills are made at one instant",
    "burnt-by-refusals": "a bill that is refused uses a number up",
    "burnt-by-retries": "a bill that is sent again uses a number up",
    "shared": "the numbers of all wards are one series",
    # Codes
    "spent-twice": "a code that two use at one instant is good for both",
    # What excludes each other
    "given-and-stopped": "a drug is given while it is stopped",
    "given-late": "a drug that was stopped is given",
    "looks-on": "whoever was taken off the list still sees it",
    # Other manners, which are no fault
    "busy": "whoever comes second at one instant is told to come again (503)",
}


def checked(names: tuple[str, ...]) -> frozenset[str]:
    """The names as a set. Raises ValueError, since a misspelt fault would prove nothing."""
    unknown = sorted(set(names) - set(FAULTS))
    if unknown:
        raise ValueError(f"there is no fault {', '.join(unknown)}")
    return frozenset(names)
