"""The driver: Schemathesis' engine over one API document, for one persona.

Nothing that was answered is kept from one run to the next, so nothing that one persona learnt
reaches another; what follows from the document alone is worked out once.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import schemathesis
from schemathesis.checks import CHECKS, CheckContext, load_all_checks, run_checks
from schemathesis.config import SchemathesisConfig
from schemathesis.core import NOT_SET
from schemathesis.core.errors import NoLinksFound, SchemathesisError
from schemathesis.core.failures import Failure
from schemathesis.core.parameters import ParameterLocation
from schemathesis.engine import Status, events
from schemathesis.engine.context import EngineContext
from schemathesis.engine.core import Engine, EventStream, ExecutionPlan
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.engine.run import PhaseName
from schemathesis.generation.case import Case
from schemathesis.generation.coverage import GenerationSession
from schemathesis.generation.hypothesis import canonical_form_cache, canonical_strategy_cache
from schemathesis.hooks import HookContext
from schemathesis.specs.openapi.schemas import OpenApiSchema

from conformance.fuzz.channel import Channel
from conformance.fuzz.drafts import ABSENT, Draft, Enough, Objection
from conformance.model import Exchange, Message

PHASES = ("examples", "coverage", "fuzzing", "stateful")

_EXPECTED: Mapping[str, tuple[str, ...]] = {
    # What may well come of a request that the document allows: the state, the rate or the
    # precondition is against it, and of a failure another check tells.
    "positive_data_acceptance": (
        "2xx", "3xx", "401", "403", "404", "409", "410", "412", "423", "428", "429", "5xx",
    ),
    "negative_data_rejection": (
        "3xx", "400", "401", "403", "404", "405", "406", "409", "410", "411", "412", "413", "414",
        "415", "417", "422", "423", "428", "429", "431", "5xx",
    ),
    "missing_required_header": (
        "400", "401", "403", "404", "406", "409", "412", "415", "422", "428", "429", "5xx",
    ),
}  # fmt: skip
_TAKEN = frozenset(
    {"negative_data_rejection", "missing_required_header", "ignored_auth", "use_after_free"}
)
"""The checks by which a request was served that should not have been."""
_LACKING = frozenset({"negative_data_rejection", "missing_required_header"})
"""The checks by which a part of a request was missing."""
_STATELESS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
_ORDINARY = frozenset({"No examples in schema", "Time limit reached", "Interrupted"})
_NUMBER = re.compile(r"-?(0|[1-9]\d{0,17})(\.\d{1,17})?")
_CONTAINERS = (
    ("path", ParameterLocation.PATH),
    ("query", ParameterLocation.QUERY),
    ("headers", ParameterLocation.HEADER),
    ("cookies", ParameterLocation.COOKIE),
    ("body", ParameterLocation.BODY),
)


_DRAWN = GenerationSession()
"""What the coverage of a document drew, so that it is drawn once for all personas."""
_FORMS = 4096
"""Schemas whose forms are kept for all personas: as many as a document and its mutations have."""
for _cache in (canonical_form_cache, canonical_strategy_cache):
    _cache._maxsize = _FORMS


class Unusable(Exception):
    """The API document cannot be worked with; the message says where it is wrong."""


class Steering(Protocol):
    """What a campaign decides while the engine runs."""

    def reshape(self, draft: Draft, kept: frozenset[str]) -> Draft:
        """The draft with ids of the world; the parts in `kept` are wrong on purpose and stay."""

    def examples(self, label: str) -> Sequence[Draft]:
        """Requests that are known to be right, to be sent beside the document's examples."""

    def renewed(self, draft: Draft) -> Draft:
        """The draft as another request, where it would be taken for one that was sent before."""

    def deliver(self, message: Message, draft: Draft, phase: str) -> Exchange:
        """Send a message made from the draft."""

    def declined(self, label: str, exchange: Exchange) -> bool:
        """Whether the answer says that nothing was done, whatever its status."""

    def stopped(self) -> bool:
        """Whether enough was sent, or nothing answers any more."""


@dataclass
class Told:
    """What the engine told of one run."""

    objections: dict[tuple[str, str, str], Objection] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    ungenerated: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0


class _Schema(OpenApiSchema):
    """A schema whose requests go over a channel of ours."""

    channel: Channel

    @property
    def transport(self) -> Any:
        return self.channel


class _Engine(Engine):
    """Schemathesis' engine without the phases that send something past the channel.

    What its analysis of the document warns of is no business of a persona's either.
    """

    __slots__ = ()

    def _create_execution_plan(self) -> ExecutionPlan:
        plan = super()._create_execution_plan()
        apart = (PhaseName.PROBING, PhaseName.AUTH_BOOTSTRAP, PhaseName.SCHEMA_ANALYSIS)
        plan.phases = [phase for phase in plan.phases if phase.name not in apart]
        return _Plan(plan.phases)


class _Plan(ExecutionPlan):
    """A plan whose coverage takes what was drawn before for the same part of a document.

    What is drawn there follows from the document alone, whoever asks.
    """

    __slots__ = ()

    def execute(self, engine: EngineContext) -> Generator[events.EngineEvent, None, None]:
        _DRAWN.unexpected_methods_seen = set()
        engine.coverage_session = _DRAWN
        return super().execute(engine)


def check_names() -> tuple[str, ...]:
    """Schemathesis' own checks."""
    load_all_checks()
    return tuple(CHECKS.get_all_names())


class Driver:
    """One document, one persona: `run` has the engine run, `again` tries one draft by itself."""

    def __init__(
        self,
        document: Mapping[str, Any],
        base_url: str,
        credentials: Mapping[str, str],
        off: Sequence[str],
        seed: int,
        steering: Steering,
        timeout: float,
    ) -> None:
        load_all_checks()
        self._steering = steering
        self._credentials = dict(credentials)
        self._off = frozenset(off)
        self._document, self._base_url = document, base_url
        self._seed, self._timeout = seed, timeout
        self.phase = ""
        self.channel = Channel(self._deliver, timeout)
        self._sent: dict[str, tuple[Draft, Exchange]] = {}
        self._drafts: dict[str, Draft] = {}
        self.schema = self._opened({})

    def _opened(self, phases: Mapping[str, Any]) -> Any:
        checks: dict[str, Any] = {name: {"enabled": False} for name in self._off}
        for name, statuses in _EXPECTED.items():
            if name not in self._off:
                checks[name] = {"expected-statuses": list(statuses)}
        config = SchemathesisConfig.from_dict(
            {
                "seed": self._seed,
                "base-url": self._base_url,
                "headers": self._credentials,
                "continue-on-failure": True,
                "workers": 1,
                "cache": {"enabled": False},
                "request-timeout": self._timeout,
                "max-redirects": 0,
                "checks": checks,
                "generation": {"database": "none", "no-shrink": True},
                "phases": dict(phases),
            }
        )
        try:
            schema = self._loaded(config)
        except SchemathesisError as problem:
            raise Unusable(_sentence(str(problem))) from None
        schema.channel = self.channel
        schema.hooks.register_hook_with_name(self._map_case, "map_case")
        schema.hooks.register_hook_with_name(self._map_path, "map_path_parameters")
        schema.hooks.register_hook_with_name(self._add_examples, "before_add_examples")
        return schema

    def _loaded(self, config: SchemathesisConfig) -> Any:
        """The document as Schemathesis' schema, whose requests go over our channel."""
        schema = schemathesis.openapi.from_dict(copy.copy(dict(self._document)), config=config)
        schema.__class__ = type("_Schema", (_Schema, type(schema)), {})
        return schema

    def _label(self, operation: Any) -> str:
        """How an operation of Schemathesis is named here."""
        return str(operation.label)

    def _find(self, label: str) -> Any:
        return self.schema.find_operation_by_label(label)

    def _counts(self, check: str, draft: Draft, exchange: Exchange) -> bool:
        """Whether what a check says is worth saying."""
        if check in _TAKEN and self._steering.declined(draft.label, exchange):
            return False
        if check == "negative_data_rejection" and self._only_adds(draft):
            return False
        if check in _LACKING and self._only_lacks_credentials(draft):
            return False
        return _counts(check, draft, exchange)

    def _only_lacks_credentials(self, draft: Draft) -> bool:
        """Whether all that is wrong is a credential, in whose place the persona's own is sent."""
        operation = self._find(draft.label)
        if draft.stranger or operation is None:
            return False
        return bool(self._invalid(self._case(operation, draft))) and not self.invalid(draft)

    def _signed(self, draft: Draft, operation: Any) -> Draft:
        """The draft with the persona's credentials, as far as the document names them."""
        own = {name.lower(): value for name, value in self._credentials.items()}
        pairs = (one.partition("=") for one in own.pop("cookie", "").split("; ") if one)
        cookies = {name: value for name, _, value in pairs}
        return replace(
            draft,
            headers={**draft.headers, **_described(operation.headers, own, str.lower)},
            cookies={**draft.cookies, **_described(operation.cookies, cookies, str)},
        )

    def _only_adds(self, draft: Draft) -> bool:
        """Whether all that is wrong are query parameters that the document does not name.

        It says which there are and not that there may be no others, and servers ignore what they
        do not know.
        """
        operation = self._find(draft.label)
        if operation is None:
            return False
        named = replace(draft, query=_known(draft.query, operation.query))
        return len(named.query) < len(draft.query) and not self.invalid(named)

    @property
    def operations(self) -> tuple[str, ...]:
        """The labels of all operations that the document describes well enough."""
        found = []
        for result in self.schema.get_all_operations():
            operation = getattr(result, "ok", lambda: None)()
            if operation is not None:
                found.append(self._label(operation))
        return tuple(found)

    # --- hooks --------------------------------------------------------------------------------

    def _map_path(self, context: HookContext, value: dict[str, Any]) -> dict[str, Any]:
        """Ids where no link of the document gives one: what a link gives comes after this."""
        operation = context.operation
        if self.phase != "stateful" or operation is None or not isinstance(value, dict):
            return value
        draft = Draft(operation.label, operation.method, path=value)
        return dict(self._steering.reshape(draft, frozenset()).path)

    def _map_case(self, _context: HookContext, case: Case[Any]) -> Case[Any]:
        if self.phase == "stateful":
            return case
        meta = case.meta
        kept = frozenset(
            name
            for name, location in _CONTAINERS
            if meta is not None and meta.is_negative_at(location)
        )
        draft = self.draft_of(case)
        shaped = self._steering.reshape(draft, kept)
        if shaped is not draft:
            if shaped.path != draft.path:
                case.path_parameters = dict(shaped.path)
            if shaped.query != draft.query:
                case.query = dict(shaped.query)
            if shaped.body is not draft.body and shaped.body is not ABSENT:
                case.body = shaped.body
        return case

    def _add_examples(self, context: HookContext, examples: list[Case[Any]]) -> None:
        for case in examples:
            self._map_case(context, case)
        operation = context.operation
        if operation is None:
            return
        examples += [
            self._case(operation, draft) for draft in self._steering.examples(operation.label)
        ]

    def _case(self, operation: Any, draft: Draft) -> Case[Any]:
        case: Case[Any] = operation.Case(
            method=draft.method,
            path_parameters=dict(draft.path),
            query=dict(draft.query),
            headers=dict(draft.headers),
            cookies=dict(draft.cookies),
            body=NOT_SET if draft.body is ABSENT else copy.deepcopy(draft.body),
            media_type=draft.media_type,
        )
        return case

    # --- sending ------------------------------------------------------------------------------

    def draft_of(self, case: Case[Any]) -> Draft:
        """What a case says, part by part."""
        return draft_of(case, self._label(case.operation))

    def _deliver(self, message: Message, case: Case[Any]) -> Exchange:
        draft = self.draft_of(case)
        exchange = self._steering.deliver(message, draft, self.phase)
        self._sent[case.id] = draft, exchange
        return exchange

    def again(self, draft: Draft) -> tuple[Exchange | None, list[Objection], frozenset[str]]:
        """Send one draft: its exchange, what speaks against the answer, and what is invalid.

        Those are the parts of the request that the document rules out, whatever comes of it.
        """
        operation = self._find(draft.label)
        if operation is None:
            return None, [], frozenset()
        draft = self._steering.renewed(draft)
        case, invalid = self._case(operation, draft), self.invalid(draft)
        self._sent.clear()
        headers = {} if draft.stranger else self._credentials
        try:
            response = case.call(headers=headers)
        except (Enough, Exception):  # no answer, or nothing that can be sent
            sent = self._sent.get(case.id)
            return (sent[1] if sent else None), [], invalid
        exchange = self._sent[case.id][1]
        wanted = [name for name in _STATELESS if name not in self._off]
        failures: list[tuple[str, Failure]] = []

        def failed(name: str, _collected: set[Failure], failure: Failure) -> None:
            failures.append((name, failure))

        context = CheckContext(
            override=None,
            auth=None,
            headers=None,
            config=self.schema.config.checks_config_for(operation=operation),
            transport_kwargs=None,
            recorder=None,
            response_checks=None,
        )
        checks: list[Any] = [CHECKS.get_one(name) for name in wanted]
        run_checks(case=case, response=response, ctx=context, checks=checks, on_failure=failed)
        found = [
            _objection(name, failure, draft, exchange)
            for name, failure in failures
            if self._counts(name, draft, exchange)
        ]
        return exchange, found, invalid

    def invalid(self, draft: Draft) -> frozenset[str]:
        """The parts of a draft, as it is sent, that the document rules out."""
        operation = self._find(draft.label)
        if operation is None:
            return frozenset()
        sent = draft if draft.stranger else self._signed(draft, operation)
        sent = replace(
            sent,
            path=_typed(sent.path, operation.path_parameters),
            query=_typed(sent.query, operation.query),
            headers=_known(sent.headers, operation.headers),
            cookies=_known(sent.cookies, operation.cookies),
        )
        return self._invalid(self._case(operation, sent))

    def _invalid(self, case: Case[Any]) -> frozenset[str]:
        validator = self.schema.adapter.jsonschema_validator_cls
        found = set()
        for name, location in _CONTAINERS:
            value = case.get_container(location)
            if name == "body" and (value is NOT_SET or not case.operation.body):
                if value is NOT_SET and any(one.is_required for one in case.operation.body):
                    found.add(name)
            elif not case._validate_component(location, value, validator):
                found.add(name)
        return frozenset(found)

    # --- the engine ---------------------------------------------------------------------------

    def run(
        self,
        phases: Sequence[str],
        operations: Sequence[str],
        seconds: float | None,
        told: Told,
        examples: int | None = None,
    ) -> None:
        """Have the engine run `phases` over `operations`; what it tells is added to `told`.

        `seconds` bounds phases that could go on for ever; `examples` those of one operation.
        """
        generation: dict[str, Any] = {} if examples is None else {"max-examples": examples}
        settings: dict[str, Any] = {}
        for name in PHASES:
            settings[name] = {"enabled": name in phases}
            if name != "stateful":
                settings[name]["operation-ordering"] = "none"
            if name == "coverage":
                settings[name]["unexpected-methods"] = ["get", "put", "post", "patch", "delete"]
            if generation and name in {"fuzzing", "stateful"}:
                settings[name]["generation"] = generation
        wanted = frozenset(operations)
        if not wanted:
            return
        schema = self._opened(settings)
        narrowed = schema.include(lambda context: self._label(context.operation) in wanted)
        narrowed.channel = schema.channel
        if seconds is not None:
            narrowed.config.max_time = seconds
        self.schema = schema
        started = time.monotonic()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._consume(_Engine(narrowed).execute(), told)
        told.seconds += time.monotonic() - started

    def _consume(self, stream: EventStream, told: Told) -> None:
        for event in stream:
            if isinstance(event, events.PhaseStarted):
                self.phase = event.phase.name.value
            elif isinstance(event, events.ScenarioFinished):
                reason = event.skip_reason if event.status is Status.SKIP else None
                if reason and reason not in _ORDINARY:
                    told.ungenerated.setdefault(event.label or "", reason)
                for one in self._objections(event.recorder):
                    key = (one.check, one.label, one.essence)
                    known = told.objections.get(key)
                    if known is None or one.draft.size < known.draft.size:
                        told.objections[key] = one
                self._sent.clear()
            elif isinstance(event, events.Interrupted) and not self._steering.stopped():
                raise KeyboardInterrupt  # the engine would only end the phase
            elif isinstance(event, events.NonFatalError):
                self._note(event, told)
            elif isinstance(event, events.FatalError):
                told.errors.append(_sentence(str(event.exception)))
            if self._steering.stopped():
                stream.stop()

    def _note(self, event: events.NonFatalError, told: Told) -> None:
        """An error of the engine; that a target does not answer is none, and is told elsewhere."""
        import requests

        if isinstance(event.value, requests.RequestException | NoLinksFound):
            return
        if self._steering.stopped():
            return
        said = _sentence(f"{event.info.title}: {event.info.message}")
        if event.related_to_operation:
            told.ungenerated[event.label] = said
        else:
            told.errors.append(f"{event.label}: {said}")

    def _objections(self, recorder: ScenarioRecorder) -> Iterator[Objection]:
        for identity, nodes in recorder.checks.items():
            for node in nodes:
                if node.failure_info is None or identity not in self._sent:
                    continue
                draft, exchange = self._sent[identity]
                if not self._counts(node.name, draft, exchange):
                    continue
                chain: list[Draft] = []
                parent = recorder.cases[identity].parent_id if identity in recorder.cases else None
                while parent is not None and parent in self._sent:
                    chain.insert(0, self._sent[parent][0])
                    parent = recorder.cases[parent].parent_id
                yield _objection(
                    node.name, node.failure_info.failure, draft, exchange, tuple(chain)
                )


def _counts(check: str, draft: Draft, exchange: Exchange) -> bool:
    """Whether what a check says is worth saying.

    Of a failure the one check about failures tells, and whether a text that is no JSON and no form
    fits is not for a JSON schema to say.
    """
    status = exchange.answer.status if exchange.answer is not None else 0
    if status >= 500:
        return check == "not_a_server_error"
    if check == "unsupported_method":
        # Whoever does not say 405 may as well say that there is nothing; what counts is that it is.
        return status not in {401, 403, 404, 501}
    if check in {"positive_data_acceptance", "negative_data_rejection"}:
        media = draft.media_type or ""
        return draft.body is ABSENT or "json" in media or "form" in media
    return True


def _typed(given: Mapping[str, Any], described: Any) -> dict[str, Any]:
    """The values of a path or query, which is text, as the numbers that they stand for."""
    numbers = {str(one.name) for one in described if _is_number(one.definition)}
    return {
        name: json.loads(one)
        if name in numbers and isinstance(one, str) and _NUMBER.fullmatch(one)
        else one
        for name, one in given.items()
    }


def _is_number(parameter: Mapping[str, Any]) -> bool:
    """Whether a parameter is a number and never a text; OpenAPI 3.1 may name several types."""
    schema = parameter.get("schema", parameter)
    kinds = schema.get("type") if isinstance(schema, dict) else None
    named = set(kinds) if isinstance(kinds, list) else {kinds}
    return bool(named & {"integer", "number"}) and "string" not in named


def _described(
    parameters: Any, values: Mapping[str, str], spelt: Callable[[str], str]
) -> dict[str, str]:
    """Those of the values that a document's parameters name, by the names that it uses."""
    names = (str(one.name) for one in parameters)
    return {name: values[spelt(name)] for name in names if spelt(name) in values}


def _known(given: Mapping[str, Any], described: Any) -> dict[str, Any]:
    names = {str(one.name).lower() for one in described}
    return {name: value for name, value in given.items() if name.lower() in names}


def draft_of(case: Case[Any], label: str) -> Draft:
    """What a case says, part by part."""
    return Draft(
        label=label,
        method=str(case.method),
        path=dict(case.path_parameters or {}),
        query=dict(case.query or {}),
        headers=dict(case.headers or {}),
        cookies=dict(case.cookies or {}),
        body=ABSENT if case.body is NOT_SET else case.body,
        media_type=case.media_type,
    )


def _objection(
    check: str, failure: Failure, draft: Draft, exchange: Exchange, before: tuple[Draft, ...] = ()
) -> Objection:
    reason = _sentence(f"{failure.title}: {failure.message}" if failure.message else failure.title)
    reason = re.sub(r",? [Ee]xpected:? [0-9x, ]+", "", reason)
    key = re.sub(r"\d+", "#", f"{failure.title}|{failure._unique_key}")
    return Objection(
        check=check,
        label=draft.label,
        reason=reason,
        essence=hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:12],
        draft=draft,
        exchange=exchange,
        before=before,
    )


def _sentence(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()[:600]
