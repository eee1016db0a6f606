"""The faults that the kiosk can be given, by name: one promise broken each."""

from __future__ import annotations

FAULTS = {
    # What a fuzzer meets
    "crashes": "a weight above 400 kg, which the document allows, breaks the entry of a card",
    "drifts": "a card that is read has 'remark' where the document says 'note'",
    "number-as-text": "the weight in the list is a text",
    "null-for-list": "a card without tags has null where the document says a list",
    "other-status": "a card that is removed is answered with 202, which the document does not know",
    "other-type": "a card that is read is sent as text/plain",
    "takes-anything": "a weight below zero is taken",
    "any-method": "a method that the document does not know is answered with 200",
    "tells-inside": "a refused change shows a stack trace",
    "tells-another": "a refused change shows a card of the other town",
    "other-town": "a card of the other town is shown to whoever knows its id",
    "any-role": "a guard may write remarks",
    "namesake": "a guard after whom a card is named may write remarks",
    "eponym": "every guard may write remarks as long as a card is named Guard",
    "done-and-denied": "a guard's change is refused with 403, and done",
    "logs-out": "who asks for a list of 100 is nobody from then on",
    "stalls": "a list of one card never comes",
    # What becomes of odd texts
    "cuts": "a note is cut to 255 letters without a word",
    "cuts-at-the-edge": "the longest note that is allowed loses its last letter",
    "breaks-on-keys": "a key with letters beyond ASCII breaks every request",
    "late": "a card can be read half a second after it was made",
    "refuses-apostrophes": "nobody with an apostrophe is taken",
    "refuses-single-letters": "nobody with a name of one letter is taken",
    "refuses-long": "a note of more than 5,000 letters is refused, and the document allows 20,000",
    "drops-marks": "marks apart from their letter are left out",
    "swallows-pipes": "delimiters of HL7 are left out",
    "first-segment": "a note ends at its first carriage return",
    "unescapes": "entities of HTML become what they stand for",
    "strips-tags": "what stands between < and > is left out",
    "three-bytes": "letters of four bytes are left out",
    "counts-names": "a name that looks like a number loses its zeros",
    "breaks-on-nul": "NUL in a text breaks the entry",
    "breaks-on-marks": "a combining mark in a search breaks it",
    "shuts-list": "a line separator in a name breaks the list for everybody",
    "shuts-list-by-date": "somebody born on the last day of the year 9999 breaks the list",
    "hides": "a card whose note has a direction mark is in no list",
    # Numbers, dates and structures
    "breaks-on-huge": "a number beyond the largest double breaks the entry",
    "breaks-on-infinity": "a number that becomes infinity breaks the entry",
    "breaks-on-months": "a month that does not exist breaks the list",
    "breaks-on-digits": "digits that are no decimals break the entry",
    "breaks-on-depth": "a body of many levels breaks the entry",
    "drops-comma": "a decimal comma is left out",
    "guesses-century": "a year of two digits gets a century",
    # Exports and bombs
    "live-formulas": "the export holds formulas as they were typed in",
    "formulas-after-blanks": "the export holds formulas that begin with white space",
    "inflates": "a packed body may have any size",
    "expands": "entities of a document are expanded, whatever they become",
    "breaks-on-packing": "a body that is not packed as it says breaks the request",
    "reads-files": "entities that are files come into the card; the import tells its id alone",
    "fetches": "entities of a document are fetched from where they say",
}


def checked(names: tuple[str, ...]) -> frozenset[str]:
    """The names as a set. Raises ValueError, since a misspelt fault would prove nothing."""
    unknown = sorted(set(names) - set(FAULTS))
    if unknown:
        raise ValueError(f"there is no fault {', '.join(unknown)}")
    return frozenset(names)
