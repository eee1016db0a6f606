"""The faults that the gatehouse can be given, by name: one promise broken each."""

from __future__ import annotations

FAULTS = {
    # Credentials
    "any-scheme": "a token counts under whatever scheme it is sent",
    "open-on-garbage": "a credential that cannot be read is that of the first nurse",
    "believes-user": "whoever is logged in is whom the header X-User names",
    # The end of sessions
    "logout-does-nothing": "a logout answers 204 and ends nothing",
    "refresh-outlives": "a refresh token opens its session again after a logout or a new password",
    "password-keeps-sessions": "a new password ends no session",
    "old-password-works": "the old password still counts after a change",
    "adopts-cookie": "the login keeps the cookie that the browser brought",
    "cookies-write": "a cookie alone is enough for a write, whatever page it comes from",
    # Guessing
    "no-lock-out": "passwords may be tried without end",
    "counts-by-address": "failures are counted for each X-Forwarded-For",
    "counts-spellings": "failures are counted for each spelling of a name",
    "counts-accounts-only": "failures are not counted by address",
    "names-told": "a login with a name that nobody has answers 404",
    "resets-told": "a reset for a name that nobody has answers 404",
    "joins-told": "signing up with a name that somebody has answers 409",
    "locks-told": "only names that somebody has are locked",
    "slower-for-names": "a wrong password takes longer if somebody has the name",
    # The second factor
    "half-is-whole": "the token of the first step opens everything",
    "code-ignored": "any code will do",
    "codes-without-end": "codes may be tried without end",
    "code-again": "a code counts as often as it is sent",
    "desk-without-code": "the browser's login asks for no code",
    # Refresh tokens
    "refresh-again": "a refresh token counts as often as it is sent",
    "reuse-unnoticed": "a refresh token that is sent again is refused, and ends nothing",
    "refresh-race": "a refresh token counts for whoever sends it in the same moment",
    "refresh-for-caller": "a refresh token renews the session of whoever else is logged in",
    # Tokens
    "unsigned": "a token with the algorithm none counts",
    "signature-ignored": "signatures are not looked at",
    "public-key-as-secret": "a token signed by HS256 with the public key counts",
    "kid-is-a-path": "the key is read from the file that kid names",
    "follows-jku": "the key is fetched from where jku says",
    "weak-secret": "tokens are signed by HS256 with a word that everybody knows",
    "late": "a token that has expired counts",
    "early": "a token that is not valid yet counts",
    "endless": "a token without an end counts",
    "any-audience": "a token for somebody else counts",
    "any-issuer": "a token by somebody else counts",
    "any-use": "a token for something else counts",
    "any-subject": "a token about nobody counts as its session's",
    "tenant-from-token": "the tenant is the one that the token says",
    "refresh-as-access": "a refresh token counts as access token",
    # Rights that end
    "disabled-goes-on": "the sessions of a disabled account go on",
    "roles-from-token": "roles are those of the time of the login",
    "link-goes-on": "a link works whatever became of its maker",
    "team-for-ever": "whoever leaves a care team is still in it",
    "lists-former": "the list of patients holds those whose care team one has left",
    # Emergencies
    "glass-without-reason": "emergency access asks for no reason",
    "glass-for-all": "emergency access opens every record of the tenant",
    "glass-writes": "emergency access opens changes as well",
    "glass-for-everybody": "emergency access is open to every role",
    "glass-across": "emergency access crosses tenants",
    "glass-stays": "emergency access does not end when it is ended",
    "glass-lasts": "emergency access does not end in time",
    "glass-long": "emergency access lasts a year",
    "glass-outlives": "emergency access does not end with its session",
    "glass-unseen": "nobody is shown emergency access for review",
    "glass-shut": "emergency access opens nothing",
    # Duties
    "signs-own": "whoever makes an order may sign it",
    "signs-elsewhere": "whoever makes an order may sign it in another session",
    "first-role-wins": "the first role decides, whatever another one forbids",
    # Other manners, which are no fault
    "strict": "a login with fields that nobody knows is refused",
    "symmetric": "tokens are signed by HS256 with a random secret",
}


def checked(names: tuple[str, ...]) -> frozenset[str]:
    """The names as a set. Raises ValueError, since a misspelt fault would prove nothing."""
    unknown = sorted(set(names) - set(FAULTS))
    if unknown:
        raise ValueError(f"there is no fault {', '.join(unknown)}")
    return frozenset(names)
