"""The faults that the clinic can be given, by name: one promise broken each."""

from __future__ import annotations

from collections.abc import Iterable

FAULTS = {
    # Whose record it is
    "foreign-read": "patients of the other tenant are served",
    "foreign-list": "the list of patients holds those of every tenant",
    "foreign-reference": "an appointment may be made for the other tenant's patient",
    "id-in-body": "writing a note changes the note whose id the body names",
    "loose-child": "a note is found below any patient",
    "tenant-header": "X-Tenant decides, whatever the login says",
    "deletes-and-says-404": "deleting the other tenant's patient answers 404, and deletes it",
    # Whose turn it is
    "unguarded": "reading a patient asks for no login",
    "anyone-writes": "any role may change a patient",
    "done-and-denied": "a doctor's change answers 403, and is made",
    "closed": "clerks may not even read their own tenant's patients",
    "unmasked": "the clerk sees the alert of a patient",
    # Which fields
    "null-alert": "the clerk is shown an alert that is always null",
    "renamed-alert": "the clerk is shown the alert of a patient under the name of summary",
    "fields-unmask": "the clerk sees the alert of a patient by asking for that field",
    "filters-by-alert": "the list of patients can be filtered by an alert that is not shown",
    "sorts-by-alert": "the list of patients can be sorted by an alert that is not shown",
    "stores-anything": "a patient keeps whatever properties a request brings",
    "strict-but-owner": "a patient refuses unknown properties, but for its owner",
    "strict-spelling": "a patient refuses unknown properties, but for createdBy",
    "strict-inside": "a patient refuses unknown properties inside of data, but for its owner",
    "wrapped": "a patient keeps the owner that a request names inside of data",
    "moves-tenant": "a change of a patient may name another tenant",
    "json-patch": "a JSON Patch of a patient sets whatever it names",
    # What is told
    "told-apart": "the other tenant's patient answers 403, a missing one 404",
    "no-op-204": "changing the other tenant's patient answers 204 and does nothing",
    "named-in-error": "the refusal names the other tenant's patient",
    "stack-trace": "a rejected request is answered with a stack trace",
    "crash-trace": "an odd id ends in a 500 with a stack trace",
    "server-version": "every answer names the version of the server",
    "sequential-ids": "appointments are numbered one after another",
    "wrong-refusal": "a role that may not gets 400 instead of 403",
    # Lists, counts, searches, batches
    "count": "the total of the patients counts those of every tenant",
    "count-in-header": "X-Total-Count of the appointments counts those of every tenant",
    "page-two": "from the second page on, appointments of every tenant are listed",
    "loose-cursor": "whoever brings a cursor sees the list of the tenant that it was made for",
    "hidden-rows": "patients are missing in their own tenant's list",
    "prefix-search": "the search says how many patients of every tenant begin like that",
    "first-id-only": "cancelling many appointments checks the first one only",
    # Whether it is done
    "ignored-write": "a change of a patient is answered as done, and is not made",
    "ignored-delete": "deleting a patient is answered as done, and is not made",
    # How answers travel
    "stored": "a patient's answers may stay in the browser for a minute",
    "shared-cache": "the list of appointments may stay in proxies for a minute",
    "asked-first": "whoever names the tag of an answer is told that it is still the same",
    "sniffable": "answers that something is missing lack nosniff",
    "json-as-page": "the list of patients comes as text/html",
    "any-origin": "pages of every origin may read answers with their visitor's session",
    "null-origin": "pages without an origin of their own may read answers",
    "origin-by-ending": "pages of every origin that ends like the portal's may read answers",
    "unvaried-origin": "answers follow the Origin and do not say so to caches",
    "closed-origin": "the portal's pages may read nothing",
    "token-in-link": "the list of appointments links to itself with the session's token",
    "token-in-location": "a new appointment's Location names the session's token",
    "query-token": "the session's token is taken from the query as well",
    "script-cookie": "scripts can read the session's cookie",
    "plain-cookie": "the session's cookie is sent without TLS",
    "cross-site-cookie": "the session's cookie is sent along by pages of other sites",
    # How much of it
    "unlimited": "the newest patient is asked for as often as anybody likes",
    "limit-by-address": "whoever names another address in X-Forwarded-For may ask anew",
    "no-retry-after": "whoever asks too often is not told when to come back",
    "resets-unlimited": "passwords of names that nobody has are reset without end",
    "endless-page": "a page of appointments is as long as anybody asks for",
    "minus-one": "a page of -1 appointments holds all of them",
    # What is on record
    "unrecorded-read": "reading patients leaves no entry",
    "unrecorded-refusal": "what a role may not do leaves no entry when it is tried",
    "recorded-twice": "changing a patient leaves two entries",
    "invents": "changing a patient leaves an entry for a request that nobody made as well",
    "believes-user": "an entry names whom the header X-User names",
    "believes-address": "an entry names the address that X-Forwarded-For names",
    "believes-date": "an entry has the time that the header Date names",
    "raw-id": "an entry keeps whatever the caller calls its request, percent-decoded",
    "one-entry-per-id": "a request that has the id of another one takes the place of its entry",
    "names-last-user": "entries of requests without a login name a doctor",
    "no-patients-in-lists": "the entries of lists and searches name no patient",
    "wrong-patient": "entries name the first patient of all",
    "wrong-tenant": "all entries are those of one tenant",
    "says-done": "entries of refusals say that it was done",
    "one-word": "the trail has one word for creating, changing and deleting",
    "time-without-zone": "the times of entries name no time zone",
    "open-trail": "doctors may read the trail",
    "foreign-trail": "clerks are shown the entries of every tenant",
    "addable": "whoever is logged in may add entries",
    "removable": "whoever is logged in may remove entries",
    "editable": "whoever is logged in may change entries",
    "keeps-bodies": "entries hold the bodies of requests",
    "keeps-tokens": "entries hold the token of the session",
    # What is documented
    "new-route": "the API document has an operation that the target file does not name",
    "lost-route": "searching patients is in no API document",
    "gone-route": "there is no operation to read an appointment",
    # What nobody declared
    "hidden-put": "a patient can be changed by PUT as well, by everybody",
    "method-override": "X-HTTP-Method-Override turns a POST into deleting, whatever the role",
    "trailing-slash": "a patient is open to everybody behind a slash",
    "original-url": "a patient is open to everybody who names it in X-Original-URL",
    "old-version": "patients are open under /v1 to everybody who is logged in",
    "debug-page": "a page tells the variables of the process",
    "trace": "TRACE repeats the request with its credential",
    # Sick altogether
    "always-500": "everything but the login fails",
    "login-page": "everything but the login answers 200 with an HTML page",
    "redirects": "everything but the login leads to another origin",
    # Other manners, which are no fault where the target file says so
    "errors-as-200": "refusals are answered 200 with an error inside",
    "echoes": "a refusal repeats the credential that came with the request",
    "slow": "every answer takes 30 ms",
    "forgetful": "the process ends itself after some fifty requests",
}


class UnknownFault(ValueError):
    """There is no fault of that name."""


def checked(names: Iterable[str]) -> frozenset[str]:
    """The names as a set. Raises UnknownFault, since a misspelt fault would prove nothing."""
    found = frozenset(names)
    unknown = sorted(found - set(FAULTS))
    if unknown:
        raise UnknownFault(f"there is no fault {', '.join(unknown)}")
    return found
