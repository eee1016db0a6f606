"""How answers travel: what may be kept, who may read it, what carries the session. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from conformance.comparison import facets, parsed
from conformance.headers import Cookie, combined, directives, names_in, urls
from conformance.model import Answer, Case, Outcome, Read, Verdict, decode
from conformance.verdicts import failed, no_statement, passed, unknown

HALF_A_YEAR = 180 * 24 * 3600
"""Seconds that a browser must keep to TLS for (RFC 6797 section 6.1.1)."""


@dataclass(frozen=True)
class Told:
    """An answer at a door, what was asked there, and the planted fields that it holds."""

    says: str
    read: Read
    holds: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answers:
    """What one door answers: first to somebody who may, then with errors.

    `carries` says whether what was planted would show in it, `credentials` are the names of the
    request headers that say who asks, `secrets` their values.
    """

    case: Case
    told: tuple[Told, ...]
    carries: bool = True
    credentials: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()


def _unserved(answers: Answers) -> Verdict | None:
    """Why the first answer shows nothing; a redirect may lead to the data, so it does."""
    first = answers.told[0].read
    answer = first.exchange.answer
    if first.outcome is Outcome.ALLOWED or (answer is not None and _leads_on(answer)):
        return None
    return unknown(f"granted, but {no_statement(first) or f'refused ({first.status})'}", first)


def _leads_on(answer: Answer) -> bool:
    return 300 <= answer.status < 400 and answer.header("location") is not None


# --- caches ----------------------------------------------------------------------------------


def _kept(answer: Answer) -> str | None:
    """What lets browsers or proxies keep an answer, None if nothing does (RFC 9111 5.2.2.5)."""
    for name in ("Cache-Control", "CDN-Cache-Control", "Surrogate-Control"):
        said = combined(answer, name)
        if "no-store" in directives(answer, name):
            continue
        if name == "Cache-Control" or said:
            return f"{name}: {said}" if said else f"no {name}"
    return None


def _stored_as_redirect(answer: Answer) -> bool:
    """Whether a redirect would be kept although nothing says so (RFC 9110 section 15.1)."""
    return answer.status in {301, 308} or bool(_fresh(answer))


def not_stored(answers: Answers) -> Verdict:
    """An answer with a patient's data, or that leads to them, says no-store."""
    objection = _unserved(answers)
    if objection:
        return objection
    for told in answers.told:
        answer = told.read.exchange.answer
        if answer is None:
            continue
        kept = _kept(answer)
        leads_on = told is answers.told[0] and _leads_on(answer) and _stored_as_redirect(answer)
        if kept and (told.holds or leads_on):
            what = f"with {', '.join(told.holds)}" if told.holds else "with where the data are"
            keeps = "proxies" if {"public", "s-maxage"} & set(_fresh(answer)) else "browsers"
            return failed(
                "stored",
                "transport.stored",
                f"{told.says}: answered {told.read.status} {what} and {kept}, so {keeps} keep it",
                told.read,
            )
    first = answers.told[0].read
    answer = first.exchange.answer
    if answer is None or not _kept(answer):
        return passed("conform-allow", "no-store stands on every answer with a patient's data")
    if _leads_on(answer):
        return passed("conform-allow", "a redirect, which nobody keeps")
    if answers.carries:
        return unknown("the answer holds nothing of what was planted for this reader", first)
    return passed("conform-allow", "it may be kept; it holds nothing of any record")


def _fresh(answer: Answer) -> list[str]:
    """What allows a cache to give an answer again without asking (RFC 9111 section 4.2)."""
    said = directives(answer)
    if "no-store" in said or "no-cache" in said:
        return []
    found: list[str] = [
        name
        for name in ("public", "immutable", "s-maxage", "max-age")
        if name in said and said[name] != "0"
    ]
    if not said and combined(answer, "Expires") not in {"", "0", "-1"}:
        found.append("expires")
    if not said and answer.header("last-modified"):
        found.append("last-modified")
    return found


def names_its_keys(answers: Answers) -> Verdict:
    """An answer that a cache may give again names in Vary all that it depends on."""
    objection = _unserved(answers)
    if objection:
        return objection
    reused = 0
    for told in answers.told:
        answer = told.read.exchange.answer
        if answer is None or not _fresh(answer):
            continue
        reused += 1
        lacking = _lacking(answer, answers.credentials)
        if lacking:
            return failed(
                "stored",
                "transport.vary",
                f"{told.says}: answered {told.read.status}, which a cache may give again "
                f"({', '.join(_fresh(answer))}), and Vary does not name {lacking}",
                told.read,
            )
    if not reused:
        return passed("conform-allow", "no cache may give it again without asking")
    return passed("conform-allow", "Vary names what it depends on")


def _lacking(answer: Answer, credentials: tuple[str, ...]) -> str | None:
    vary = names_in(answer, "Vary")
    if "*" in vary:
        return None
    if credentials and not vary & {name.lower() for name in credentials}:
        return " or ".join(credentials)
    if combined(answer, "Access-Control-Allow-Origin") not in {"", "*"} and "origin" not in vary:
        return "Origin"
    encoded = combined(answer, "Content-Encoding").lower() not in {"", "identity"}
    return "Accept-Encoding" if encoded and "accept-encoding" not in vary else None


@dataclass(frozen=True)
class Conditional:
    """Requests with what a permitted reader's answer allows to ask: is it still the same?"""

    case: Case
    control: Read
    honoured: bool
    tries: tuple[tuple[str, Read], ...]
    markers: frozenset[str] = frozenset()


def opens_nothing(conditional: Conditional) -> Verdict:
    """Whoever may not read a record is not told either that it is still the same."""
    for header, read in conditional.tries:
        answer = read.exchange.answer
        if answer is not None and answer.status == 304:
            return failed(
                "bypass",
                "transport.conditional",
                f"answered 304 to {header}: it is there, and still what "
                f"{conditional.control.exchange.persona} was given",
                read,
                conditional.control,
            )
        if answer is not None and any(one in answer.text.lower() for one in conditional.markers):
            return failed(
                "bypass",
                "transport.conditional",
                f"answered {read.status} to {header} with the record's own content",
                read,
                conditional.control,
            )
    for header, read in conditional.tries:
        if not read.outcome.refused:
            reason = no_statement(read) or f"answered {read.status}, with nothing of the record"
            return unknown(f"{header}: {reason}", read, conditional.control)
    honoured = "got 304" if conditional.honoured else "was served"
    return passed(
        "conform-deny",
        f"refused with or without conditions; {conditional.control.exchange.persona} {honoured}",
    )


# --- content ---------------------------------------------------------------------------------

_ACTIVE = ("text/html", "application/xhtml+xml", "image/svg+xml", "text/javascript")


def says_what_it_is(answers: Answers) -> Verdict:
    """Every answer with a body says what it is, and that browsers must not guess otherwise."""
    objection = _unserved(answers)
    if objection:
        return objection
    for told in answers.told:
        answer = told.read.exchange.answer
        if answer is None or not answer.body:
            continue
        said = (answer.header("content-type") or "").split(";")[0].strip().lower()
        where = f"{told.says}: answered {told.read.status}"
        if not said:
            reason = f"{where} without Content-Type"
            return failed("sniffed", "transport.type", reason, told.read)
        misread = _misread(answer, said)
        if misread:
            reason = f"{where} with {misread} as {said}"
            return failed("sniffed", "transport.type", reason, told.read)
        if combined(answer, "X-Content-Type-Options").lower() != "nosniff":
            reason = f"{where} without X-Content-Type-Options: nosniff"
            return failed("sniffed", "transport.sniffed", reason, told.read)
    return passed("conform-allow", "every body says what it is, and nosniff")


def _misread(answer: Answer, said: str) -> str | None:
    """What a body is that a browser would run as something else, None if it is what it says."""
    if said not in _ACTIVE:
        return None
    if isinstance(parsed(answer), dict | list):
        return "JSON"
    page = decode(answer.body).lstrip("\ufeff \t\r\n").startswith("<")
    return None if page or said == "text/javascript" else "plain text"


# --- origins ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """One request with an Origin: which, what for, and what was answered."""

    origin: str
    says: str
    read: Read
    preflight: bool = False


@dataclass(frozen=True)
class CrossOrigin:
    """Requests as a browser sends them for a page of another origin.

    `other` is the first one again, from yet another origin: it tells whether the answer depends
    on the origin.
    """

    case: Case
    asked: tuple[Asked, ...]
    other: Read | None = None


def _allowed(read: Read) -> str:
    answer = read.exchange.answer
    return combined(answer, "Access-Control-Allow-Origin") if answer else ""


def _with_credentials(read: Read) -> bool:
    answer = read.exchange.answer
    return answer is not None and combined(answer, "Access-Control-Allow-Credentials") == "true"


def lets_no_page_in(cross: CrossOrigin) -> Verdict:
    """No page of an origin that nobody allowed may read answers with its visitor's session."""
    for asked in cross.asked:
        allowed = _allowed(asked.read)
        if allowed in {asked.origin, "null"} and _with_credentials(asked.read):
            return failed(
                "bypass",
                "transport.cors",
                f"{asked.says}: answered {asked.read.status} with Access-Control-Allow-Origin: "
                f"{allowed} and credentials to a page of {asked.origin}",
                asked.read,
            )
    varying = _unvaried(cross)
    if varying:
        return varying
    reads = [asked.read for asked in cross.asked]
    silent = next((read for read in reads if read.exchange.answer is None), None)
    if silent is not None:
        return unknown(f"with an Origin: {no_statement(silent)}", silent)
    first = reads[0]
    if first.outcome is not Outcome.ALLOWED:
        reason = no_statement(first) or f"refused ({first.status})"
        return unknown(f"what a page could have read was not served: {reason}", first)
    return passed("conform-deny", f"no access for {cross.asked[0].origin} in {len(reads)} answers")


def _unvaried(cross: CrossOrigin) -> Verdict | None:
    """A failure if an answer depends on the origin and does not say so to caches."""
    if cross.other is None:
        return None
    for asked in cross.asked:
        answer = asked.read.exchange.answer
        allowed = _allowed(asked.read)
        if answer is None or asked.preflight or allowed != asked.origin:
            continue
        varies = allowed != _allowed(cross.other)
        if varies and not names_in(answer, "Vary") & {"origin", "*"}:
            return failed(
                "stored",
                "transport.cors-vary",
                f"{asked.says}: Access-Control-Allow-Origin follows the request ({allowed}), "
                "and Vary does not name Origin",
                asked.read,
            )
    return None


def lets_its_pages_in(cross: CrossOrigin) -> Verdict:
    """A page of an allowed origin may read what its visitor may."""
    for asked in cross.asked:
        read = asked.read
        if not asked.preflight and read.outcome is not Outcome.ALLOWED:
            reason = no_statement(read) or f"refused ({read.status})"
            return unknown(f"{asked.says}: {reason}", read)
        if _allowed(read) != asked.origin or not _with_credentials(read):
            shown = _allowed(read) or "nothing"
            return failed(
                "over-restriction",
                "transport.cors-refused",
                f"{asked.says}: answered {read.status} and allowed {shown}, but the target claims "
                f"{asked.origin} with credentials",
                read,
            )
    return _unvaried(cross) or passed(
        "conform-allow", f"a page of {cross.asked[0].origin} may read it, with credentials"
    )


# --- credentials -----------------------------------------------------------------------------


def in_no_url(answers: Answers) -> Verdict:
    """No URL that an answer names holds the session: URLs are logged, kept and passed on."""
    objection = _unserved(answers)
    if objection:
        return objection
    for told in answers.told:
        answer = told.read.exchange.answer
        for where, url in urls(answer) if answer else ():
            if any(secret in url or secret in unquote(url) for secret in answers.secrets):
                shown = url.split("?")[0][:80]
                if any(secret in shown for secret in answers.secrets):
                    shown = "a URL"
                return failed(
                    "bypass",
                    "transport.secret-in-url",
                    f"{told.says}: {where} names {shown} with a credential of this session",
                    told.read,
                )
    return passed("conform-deny", f"no URL in {len(answers.told)} answers holds a credential")


@dataclass(frozen=True)
class Kept:
    """A cookie, the answer that set it, and whether it is what opens doors."""

    cookie: Cookie
    read: Read
    opens: bool


@dataclass(frozen=True)
class Cookies:
    """The cookies of one login, at `host`."""

    case: Case
    host: str
    kept: tuple[Kept, ...]


def safely_kept(cookies: Cookies) -> Verdict:
    """A cookie that carries the session is out of reach of scripts, pages and networks."""
    for kept in cookies.kept:
        fault = _fault(kept, cookies.host)
        if fault:
            rule, reason = fault
            return failed(
                "cookie", f"transport.{rule}", f"the cookie {kept.cookie.name} {reason}", kept.read
            )
    names = [kept.cookie.name for kept in cookies.kept if kept.opens]
    if not names:
        return unknown(
            "no cookie of this login opens a door by itself, so nothing is known of their use",
            *(kept.read for kept in cookies.kept[:1]),
        )
    return passed("conform-deny", f"HttpOnly, Secure and SameSite stand on {', '.join(names)}")


def _fault(kept: Kept, host: str) -> tuple[str, str] | None:
    said = kept.cookie.attributes
    domain = said.get("domain", "").lstrip(".").lower()
    if domain and domain != host.lower() and host.lower().endswith(f".{domain}"):
        return "cookie-domain", f"goes to all of {domain}, not to {host} alone"
    if not kept.opens:
        return None
    if "httponly" not in said:
        return "cookie-script", "carries the session and lacks HttpOnly: scripts can read it"
    if "secure" not in said:
        return "cookie-plain", "carries the session and lacks Secure: it is sent without TLS"
    if said.get("samesite", "").lower() not in {"lax", "strict", "none"}:
        return "cookie-site", "carries the session and has no SameSite"
    return None


# --- TLS -------------------------------------------------------------------------------------


def keeps_to_tls(answers: Answers) -> Verdict:
    """Every answer tells browsers to keep to TLS for half a year or longer."""
    objection = _unserved(answers)
    if objection:
        return objection
    for told in answers.told:
        answer = told.read.exchange.answer
        if answer is None:
            return unknown(f"{told.says}: {no_statement(told.read)}", told.read)
        age = directives_of_hsts(answer).get("max-age", "")
        if not age.isdigit() or int(age) < HALF_A_YEAR:
            shown = f"for {age} seconds only" if age else "nothing of it"
            return failed(
                "tls",
                "transport.hsts",
                f"{told.says}: answered {told.read.status}; Strict-Transport-Security says {shown}",
                told.read,
            )
    return passed("conform-allow", f"{len(answers.told)} answers keep browsers to TLS")


def directives_of_hsts(answer: Answer) -> Mapping[str, str]:
    """The directives of Strict-Transport-Security; the first field counts (RFC 6797 8.1)."""
    found = {}
    for part in (answer.header("strict-transport-security") or "").split(";"):
        key, _, argument = part.partition("=")
        found[key.strip().lower()] = argument.strip().strip('"')
    return found


@dataclass(frozen=True)
class Handshake:
    """What came of it: the version agreed on, how the server refused, or why neither shows."""

    agreed: str | None = None
    refused: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Versions:
    """A handshake in an old version of TLS, and one in the usual way; `option` is openssl's."""

    case: Case
    name: str
    option: str
    place: str
    old: Handshake
    usual: Handshake
    unable: str | None = None


def refuses_old_versions(versions: Versions) -> Verdict:
    """The server agrees to no version of TLS that is given up (RFC 8996)."""
    if versions.unable:
        return unknown(f"{versions.name} was not tried: {versions.unable}")
    if versions.old.agreed:
        return failed(
            "tls",
            "transport.tls-version",
            f"{versions.place} agreed to {versions.old.agreed}; to see it: "
            f"openssl s_client {versions.option} -cipher ALL:@SECLEVEL=0 -connect {versions.place}",
        )
    if versions.old.error:
        return unknown(f"{versions.name}: {versions.old.error}")
    if not versions.usual.agreed:
        said = versions.usual.error or versions.usual.refused
        return unknown(f"the usual handshake failed as well: {said}")
    return passed(
        "conform-deny",
        f"refused {versions.name} ({versions.old.refused}), agreed to {versions.usual.agreed}",
    )


@dataclass(frozen=True)
class Plain:
    """The same request over TLS and, at these ports, without it; nobody is logged in."""

    case: Case
    secured: Read
    plain: tuple[tuple[str, Read], ...]


def silent_without_tls(plain: Plain) -> Verdict:
    """Without TLS the application does not answer, not even by asking for a login."""
    if plain.secured.exchange.answer is None:
        return unknown(f"with TLS: {no_statement(plain.secured)}", plain.secured)
    for url, read in plain.plain:
        answer = read.exchange.answer
        if answer is None:
            continue
        if 300 <= answer.status < 400:
            location = answer.header("location") or ""
            if urlsplit(location).scheme == "https":
                continue
        if answer.status == 401 or _same(answer, plain.secured.exchange.answer):
            return failed(
                "tls",
                "transport.plain",
                f"{url} answered {answer.status} without TLS, as the application does",
                read,
            )
    tried = ", ".join(
        f"{url}: {'no answer' if read.exchange.answer is None else read.status}"
        for url, read in plain.plain
    )
    return passed("conform-deny", f"without TLS the application does not answer ({tried})")


def _same(one: Answer, other: Answer) -> bool:
    """Whether two answers have the same status and the same body, moments and ids set aside."""
    first, second = facets(one, ()), facets(other, ())
    parts = [name for name in second if name == "status" or name.startswith("body")]
    return bool(one.body) and all(first.get(name) == second[name] for name in parts)
