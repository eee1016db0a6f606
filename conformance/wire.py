"""The wire: sends messages to one origin. Only it and `gate` know the HTTP client.

Redirects are never followed, so no credential ever reaches another origin. Bodies are read up to
a limit and a deadline, so a target that never stops answering cannot hold a run.
"""

from __future__ import annotations

import itertools
import json
import math
import secrets
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urlsplit

import httpcore
import httpx

from conformance.journal import Journal
from conformance.model import Answer, Exchange, Message
from conformance.redaction import Redactor
from conformance.schema import Request
from conformance.target import ANONYMOUS, Target
from conformance.template import Lookup, pairs, render, render_path

BODY_LIMIT = 8 * 1024 * 1024


class Unreachable(Exception):
    """The target does not answer; the message says where and what to do."""


class Refused(Exception):
    """A token endpoint said no; the message says how."""


@dataclass
class Deadline:
    """The moment (monotonic seconds) at which the exchange under way has to be over."""

    at: float = math.inf

    def left(self, timeout: float | None) -> float:
        """`timeout`, or less if the deadline is nearer. Raises ReadTimeout when it has passed."""
        rest = self.at - time.monotonic()
        if rest <= 0:
            raise httpcore.ReadTimeout("the answer did not end in time")
        return min(timeout, rest) if timeout is not None else rest


class _BoundedStream(httpcore.NetworkStream):
    """Every read gets what is left of the exchange's time, so that nobody can drip an answer."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, timeout)

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        inner = self._inner.start_tls(ssl_context, server_hostname, timeout)
        return _BoundedStream(inner, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _BoundedBackend(httpcore.SyncBackend):
    def __init__(self, deadline: Deadline) -> None:
        self._deadline = deadline

    def connect_tcp(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        return _BoundedStream(super().connect_tcp(*args, **options), self._deadline)


class _BoundedTransport(httpx.HTTPTransport):
    """httpx's transport over a connection pool of ours."""

    def __init__(
        self, verify: ssl.SSLContext, connections: int, deadline: Deadline, source: str | None
    ) -> None:
        super().__init__(verify=verify, trust_env=False)
        self._pool = httpcore.ConnectionPool(
            ssl_context=verify,
            max_connections=connections,
            max_keepalive_connections=connections,
            local_address=source,
            network_backend=_BoundedBackend(deadline),
        )

    def hang_up(self) -> None:
        self._pool.close()


class Wire:
    """Sends messages to one origin and keeps what was said.

    `headers` go with every message; `now` and `sleep` are the target's time, in UTC seconds, where
    its clock is pinned.
    """

    def __init__(
        self,
        target: Target,
        base_url: str,
        redactor: Redactor,
        source: str | None = None,
        _like: Wire | None = None,
    ) -> None:
        self.target = target
        self.base_url = base_url
        self.redactor = redactor
        self.watchers: list[Callable[[Exchange], None]] = []
        self.journal: Journal | None = None
        self.sent = 0
        self.codes: dict[str, int] = {}
        self.headers: dict[str, str] = {}
        self.now: Callable[[], float] = time.time
        self.sleep: Callable[[float], None] = time.sleep
        self._ids = itertools.count(1)
        self._deadline = Deadline()
        self._whole = _like is None
        # Loading certificates takes far longer than a request.
        self._verify: ssl.SSLContext = (
            httpx.create_ssl_context(verify=target.system.verify_tls, trust_env=False)
            if _like is None
            else _like._verify
        )
        self._transport = _BoundedTransport(
            self._verify, target.system.max_connections, self._deadline, source
        )
        self._client = httpx.Client(
            timeout=httpx.Timeout(target.system.timeout),
            transport=self._transport,
            follow_redirects=False,
            trust_env=False,
        )

    def close(self) -> None:
        self._client.close()
        if self.journal is not None and self._whole:
            self.journal.close()

    def apart(self, source: str | None = None) -> Wire:
        """A further wire with connections of its own, from the address `source` if given.

        What it sends is watched and numbered like everything else.
        """
        other = Wire(self.target, self.base_url, self.redactor, source, self)
        other.follow(self)
        other.codes, other.journal = self.codes, self.journal
        other.headers, other.now, other.sleep = self.headers, self.now, self.sleep
        return other

    def follow(self, other: Wire) -> None:
        """Have what is sent here watched and numbered together with what `other` sends."""
        self.watchers, self._ids = other.watchers, other._ids

    def url(self, path: str) -> str:
        """The absolute URL of a path; raises ValueError for another origin than the target's."""
        if path.startswith(("http://", "https://")):
            theirs, ours = urlsplit(path), urlsplit(self.base_url)
            if (theirs.scheme, theirs.netloc) != (ours.scheme, ours.netloc):
                raise ValueError(f"{path} is another origin than {self.base_url}")
            return path
        return self.base_url + (path if path.startswith("/") else "/" + path)

    @property
    def tls(self) -> ssl.SSLContext:
        """How certificates are checked, for whoever opens connections of their own."""
        return self._verify

    def hang_up(self) -> None:
        """Close the idle connections, so that all that the target permits are to be had."""
        self._transport.hang_up()

    def send(self, message: Message, persona: str, purpose: str) -> Exchange:
        """Send once. An error of transport becomes an exchange without an answer."""
        message = self.announced(message, persona)
        started, clock = time.time(), time.perf_counter()
        answer: Answer | None = None
        error: str | None = None
        try:
            answer = self._exchange(message)
        except FAILURES as problem:
            error = failure(problem, self.target.system.timeout)
        finally:
            # Cookies belong to the persona, not to the connection that everybody shares.
            self._client.cookies.clear()
        seconds = time.perf_counter() - clock
        return self.noted(message, persona, purpose, answer or error or "", started, seconds)

    def announced(self, message: Message, persona: str) -> Message:
        """The message as it has to be sent; whoever sends it by other means than `send` asks."""
        return message if self.journal is None else self.journal.sending(message, persona)

    def noted(
        self,
        message: Message,
        persona: str,
        purpose: str,
        result: Answer | str,
        started: float,
        seconds: float,
    ) -> Exchange:
        """The exchange that was made of an announced message; the journal and watchers get it.

        `result` is the answer, or why there is none.
        """
        self.sent += 1
        exchange = Exchange(
            id=f"e{next(self._ids)}",
            persona=persona,
            purpose=purpose,
            request=message,
            answer=result if isinstance(result, Answer) else None,
            error=None if isinstance(result, Answer) else result,
            started=started,
            seconds=seconds,
        )
        if exchange.answer is not None:
            self.redactor.overhear(exchange.answer.headers, exchange.answer.body)
        if self.journal is not None:
            self.journal.sent(exchange)
        for watch in self.watchers:
            watch(exchange)
        return exchange

    def _exchange(self, message: Message) -> Answer:
        self._deadline.at = time.monotonic() + self.target.system.timeout
        with self._client.stream(
            message.method,
            message.url,
            headers=header_fields(message),
            content=message.body or None,
        ) as response:
            body = bytearray()
            for chunk in response.iter_bytes():
                grow(body, chunk)
            return answer_of(response, body)


FAILURES = (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError)
"""What can go wrong while a message is sent and its answer read."""


def failure(problem: Exception, timeout: float) -> str:
    """Why there is no answer, in words; `timeout` is what there was, in seconds."""
    if isinstance(problem, httpx.TimeoutException | TimeoutError):
        return f"no answer within {timeout:g} s"
    if isinstance(problem, httpx.ConnectError):
        return f"could not connect: {problem}"
    return f"{type(problem).__name__}: {problem}"


def header_fields(message: Message) -> list[tuple[bytes, bytes]]:
    """The message's header fields as bytes, because httpx would refuse what is not ASCII."""
    return [(name.encode(), value.encode()) for name, value in message.headers]


def grow(body: bytearray, chunk: bytes) -> None:
    """Add what was read to a body. Raises ValueError when it gets longer than the limit."""
    body += chunk
    if len(body) > BODY_LIMIT:
        raise ValueError(f"the body is longer than {BODY_LIMIT // 2**20} MiB")


def answer_of(response: httpx.Response, body: bytes | bytearray) -> Answer:
    """The response with its body as one of our nouns."""
    headers = tuple(
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers.raw
    )
    return Answer(response.status_code, headers, bytes(body))


def build(
    wire: Wire,
    template: Request,
    lookup: Lookup,
    *,
    headers: Mapping[str, str] | None = None,
    cookies: Mapping[str, str] | None = None,
    tenant: Lookup | None = None,
) -> Message:
    """The template as a message ready to send, `tenant` filling the target's tenancy rules.

    A template that lies outside those rules names no tenant, whatever `tenant` is.

    Raises Unfilled when a placeholder has no value.
    """
    target = wire.target
    path = render_path(template.path, lookup)
    query = dict(template.query)
    sent: dict[str, str] = {**target.system.headers, **wire.headers}
    if tenant is not None and template.tenancy:
        sent |= {key: str(render(text, tenant)) for key, text in target.tenancy.header.items()}
        if target.tenancy.host:
            sent["Host"] = str(render(target.tenancy.host, tenant))
        if target.tenancy.path and path.startswith("/"):
            path = render_path(target.tenancy.path, tenant).rstrip("/") + path
        query |= {key: render(text, tenant) for key, text in target.tenancy.query.items()}
    url = wire.url(path)
    asked = list(pairs(render(query, lookup)))
    if asked:
        url += ("&" if "?" in url else "?") + urlencode(asked)
    body = b""
    if template.json_ is not None:
        body = json.dumps(render(template.json_, lookup), ensure_ascii=False).encode(
            errors="surrogatepass"
        )
        sent["Content-Type"] = template.content_type or "application/json"
    elif template.form is not None:
        body = urlencode(list(pairs(render(template.form, lookup)))).encode()
        sent["Content-Type"] = template.content_type or "application/x-www-form-urlencoded"
    elif template.body is not None:
        body = str(render(template.body, lookup)).encode()
        sent["Content-Type"] = template.content_type or "text/plain"
    sent.setdefault("Accept", "*/*")
    sent |= headers or {}
    sent |= {key: str(render(text, lookup)) for key, text in template.headers.items()}
    if cookies:
        sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
    return Message(template.method, url, tuple(sent.items()), body)


def set_cookies(answer: Answer) -> dict[str, str]:
    """The cookies that an answer sets, by name."""
    found = {}
    for name, value in answer.headers:
        if name.lower() == "set-cookie":
            key, _, rest = value.partition("=")
            found[key.strip()] = rest.split(";", 1)[0].strip()
    return found


def reach(wire: Wire, path: str = "/") -> None:
    """Ask once, without credentials. Raises Unreachable when nothing answers at all."""
    message = Message("GET", wire.url(path), (("Accept", "*/*"),), b"")
    exchange = wire.send(message, ANONYMOUS, "reach")
    if exchange.answer is None:
        raise Unreachable(
            f"{wire.base_url} does not answer ({exchange.error}). "
            "Is it running, and is system.base_url right?"
        )


def catch_all(wire: Wire) -> bytes | None:
    """The body of a success for a path that cannot exist; None if the target refuses it."""
    path = f"/wardproof-{secrets.token_hex(8)}"
    message = Message("GET", wire.url(path), (("Accept", "*/*"),), b"")
    answer = wire.send(message, ANONYMOUS, "reach").answer
    return answer.body if answer is not None and 200 <= answer.status < 300 else None


def oauth2_token(wire: Wire, url: str, grant: str, client: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of an OAuth 2.0 token endpoint, fetched by Authlib.

    `client` holds what Authlib's client takes, and username and password for that grant.
    Raises Refused when the endpoint says no, Unreachable when it does not answer.
    """
    from authlib.integrations.base_client.errors import OAuthError
    from authlib.integrations.httpx_client import OAuth2Client

    extra = {key: client[key] for key in ("username", "password") if key in client}
    rest = {key: value for key, value in client.items() if key not in extra}
    try:
        with OAuth2Client(
            **rest,
            timeout=wire.target.system.timeout,
            verify=wire.target.system.verify_tls,
            trust_env=False,
        ) as oauth:
            return dict(oauth.fetch_token(url, grant_type=grant, **extra))
    except OAuthError as error:
        raise Refused(wire.redactor.text(str(error))) from None
    except httpx.HTTPError as error:
        raise Unreachable(f"{url}: {error}") from None
    except ValueError as error:
        raise Refused(f"the answer is no token ({error})") from None


def answers(url: str) -> bool:
    """Whether something answers at `url` with less than 500 within two seconds."""
    try:
        # Readiness alone is asked for, and loading certificates takes longer than the answer.
        return httpx.get(url, timeout=2, trust_env=False, verify=False).status_code < 500  # noqa: S501
    except httpx.HTTPError:
        return False
