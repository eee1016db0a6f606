"""Reading target files: what they may say, and how mistakes are reported."""

import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.consistency import check
from conformance.document import Document, InvalidDocument
from conformance.loading import load
from conformance.target import Target, is_loopback
from tests.engine.targets import ENVIRONMENT, TEXT, loaded, target, write

ROOT = Path(__file__).parents[2]
CLINIC = ROOT / "tests" / "clinic" / "target.yaml"


def mistakes(folder: Path, text: str | bytes = TEXT, policy: str | None = None) -> str:
    """What is reported about a target file that is wrong."""
    with pytest.raises(InvalidDocument) as error:
        load(write(folder, text, policy), environ=ENVIRONMENT)
    return str(error.value)


def changed(old: str, new: str) -> str:
    assert TEXT.count(old) >= 1, f"{old!r} is not in the sample"
    return TEXT.replace(old, new, 1)


def place(text: str, fragment: str) -> tuple[int, int]:
    """Line and column, from 1, where a fragment stands."""
    at = text.index(fragment)
    return text.count("\n", 0, at) + 1, at - (text.rfind("\n", 0, at) + 1) + 1


# --- what is right ---------------------------------------------------------------------------


def test_the_sample_loads(tmp_path: Path) -> None:
    target = loaded(tmp_path)
    assert list(target.personas) == ["nurse.north", "nurse.south"]
    assert target.operation("patient", "read").method == "GET"
    assert target.object_of("note", "create") == "patient"
    assert target.object_of("patient", "create") is None


def test_a_folder_or_the_file_in_it_will_do(tmp_path: Path) -> None:
    write(tmp_path)
    by_folder = load(tmp_path, environ=ENVIRONMENT)
    by_file = load(tmp_path / "target.yaml", environ=ENVIRONMENT)
    assert by_folder.digest == by_file.digest
    assert by_folder.folder == by_file.folder == tmp_path


def test_only_true_and_false_are_booleans(tmp_path: Path) -> None:
    facts = "country: no, on: yes, off: Off, here: true, gone: False"
    target = loaded(tmp_path, changed("south: {}", "south: {" + facts + "}"))
    assert target.tenants["south"].model_extra == {
        "country": "no",
        "on": "yes",
        "off": "Off",
        "here": True,
        "gone": False,
    }


def test_grants_may_stand_beside_the_target(tmp_path: Path) -> None:
    text, policy = TEXT.split("policy:\n")
    inside, beside = loaded(tmp_path / "a"), loaded(tmp_path / "b", text, "policy:\n" + policy)
    assert inside == beside


def test_the_digest_follows_both_files(tmp_path: Path) -> None:
    text, policy = TEXT.split("policy:\n")
    policy = "policy:\n" + policy
    digests = {
        load(write(tmp_path / str(n), *parts), environ=ENVIRONMENT).digest
        for n, parts in enumerate(
            [
                (text, policy),
                (text, policy + "# more\n"),
                (text + "# more\n", policy),
            ]
        )
    }
    assert len(digests) == 3
    again = load(write(tmp_path / "again", text, policy), environ=ENVIRONMENT)
    assert again.digest in digests


# --- the environment -------------------------------------------------------------------------


def test_what_comes_from_the_environment_is_a_secret(tmp_path: Path) -> None:
    found = load(write(tmp_path), environ={"NURSE": "from-outside"})
    assert found.target.personas["nurse.north"].facts["password"] == "from-outside"
    assert found.secrets == {"from-outside"}


def test_a_default_is_used_when_a_variable_is_unset_or_empty(tmp_path: Path) -> None:
    text = changed('"${NURSE}"', '"${OTHER:-other-default}"')
    for environ in ({}, {"NURSE": ""}):
        target = load(write(tmp_path, text), environ=environ).target
        passwords = [one.facts["password"] for one in target.personas.values()]
        assert passwords == ["other-default", "nurse-default"]


def test_every_unset_variable_is_named_with_its_place(tmp_path: Path) -> None:
    text = changed('"${NURSE}"', '"${FIRST}-${SECOND}"').replace("user: n2", 'user: "${THIRD}"')
    told = mistakes(tmp_path, text)
    for name, fragment in (("FIRST", '"${FIRST'), ("SECOND", '"${FIRST'), ("THIRD", '"${THIRD')):
        line, _ = place(text, fragment)
        assert re.search(rf"target\.yaml:{line}:\d+: .*variable {name} is not set", told)
        assert f"export {name}=" in told
    assert "3 problems" in told


def test_unset_variables_are_left_when_nothing_is_sent(tmp_path: Path) -> None:
    found = load(write(tmp_path), environ={}, secrets_required=False)
    assert found.target.personas["nurse.north"].facts["password"] == "${NURSE}"
    assert found.secrets == frozenset()


def test_secrets_are_generated_where_the_target_asks_for_them(tmp_path: Path) -> None:
    system = 'base_url: "http://127.0.0.1:{port}", start: {command: [x], generate: [NURSE]}}'
    text = changed('base_url: "http://127.0.0.1:8000"}', system)
    one, other = (load(write(tmp_path, text), environ={}) for _ in range(2))
    password = one.target.personas["nurse.north"].facts["password"]
    assert one.generated == {"NURSE": password}
    assert password in one.secrets
    assert len(str(password)) >= 16
    assert one.generated != other.generated
    given_one = load(write(tmp_path, text), environ=ENVIRONMENT)
    assert given_one.generated == {}


# --- files that are no target ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "a target file is a mapping"),
        (b"# nothing but a comment\n", "a target file is a mapping"),
        (b"- a\n- list\n", "a target file is a mapping"),
        (b"just text", "a target file is a mapping"),
        (b"\xff\xfe\x00s", "cannot be read"),
        (b"a: b: c\n", "not valid YAML"),
        (b"a: [1, 2\n", "not valid YAML"),
        (b"system:\n\tname: x\n", "not valid YAML"),
        (b"a: *nobody\n", "not valid YAML"),
        (b"a: !!python/object/apply:os.system [id]\n", "not valid YAML"),
        (b"a: 1\n---\nb: 2\n", "not valid YAML"),
        (b"? {a: b}\n: c\n", "not valid YAML"),
        (b"a: 2028-13-45\n", "not valid YAML"),
        (b"a: \x00\n", "not valid YAML"),
    ],
)
def test_what_is_no_target_file_is_told_in_a_sentence(
    tmp_path: Path, text: bytes, told: str
) -> None:
    report = mistakes(tmp_path, text)
    assert told in report
    assert report.startswith(str(tmp_path / "target.yaml"))


def test_a_mistake_in_yaml_is_shown_with_its_line(tmp_path: Path) -> None:
    report = mistakes(tmp_path, "system:\n  name: Ward\n\tbase_url: x\n")
    assert "target.yaml:3:1: not valid YAML" in report
    assert "base_url: x" in report


def test_a_missing_file_says_what_to_give(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere", tmp_path / "target.yaml"):
        with pytest.raises(InvalidDocument, match="--target takes the folder"):
            load(path, environ={})


def test_a_file_that_is_a_folder_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "target.yaml").mkdir()
    with pytest.raises(InvalidDocument):
        load(tmp_path, environ={})


# --- places ----------------------------------------------------------------------------------


def test_every_mistake_is_reported_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = (
        changed("timezone: Asia/Dhaka", "timezone: Asia/Daka")
        .replace("role: nurse, tenant: south", "role: nurse, tenant: soth")
        .replace("read: GET /notes/{id}", "read: GETT /notes/{id}")
        .replace("hidden: [name]", "hiden: [name]")
    )
    report = mistakes(tmp_path, text)
    # Names of other parts can be looked up only once each part is in order by itself.
    assert "Asia/Dhaka" in report
    assert "'hiden'; did you mean 'hidden'?" in report
    assert "'GETT /notes/{id}'" in report or "read" in report
    lines = [int(found) for found in re.findall(r"target\.yaml:(\d+):\d+:", report)]
    assert len(lines) >= 3
    assert lines == sorted(lines)


def test_every_wrong_name_is_reported_at_once(tmp_path: Path) -> None:
    text = (
        changed("role: nurse, tenant: south", "role: nurs, tenant: soth")
        .replace("patient: {create: allow", "patient: {creat: allow")
        .replace("allow:desk", "allow:dsk")
        .replace('note: {"*": allow}', 'notes: {"*": alow}')
    )
    report = mistakes(tmp_path, text)
    for meant in ("nurse", "south", "create", "desk", "note"):
        assert f"did you mean '{meant}'?" in report
    assert re.search(r"\n5 problems in ", report)


# (the mistake, where it is reported, what is said); a place of None is not checked.
MISTAKES: dict[str, tuple[tuple[str, str], str | None, str]] = {
    "key": (("name: Ward", "nam: Ward"), None, "unknown key 'nam'; did you mean 'name'?"),
    "misplaced": (("name: Ward", "shows: Ward"), None, "'shows'; it belongs elsewhere in the file"),
    "required": (("name: Ward, ", ""), None, "system.name: required"),
    "host": (
        ("http://127.0.0.1:8000", "https://ward.example"),
        "base_url",
        "ward.example is outside the loopback; if you may test it, add it to system.allow_hosts",
    ),
    "url": (("http://127.0.0.1:8000", "127.0.0.1:8000"), "base_url", "is no http(s) URL"),
    "ftp": (("http://127.0.0.1:8000", "ftp://127.0.0.1"), "base_url", "is no http(s) URL"),
    "timezone": (
        ("Asia/Dhaka", "Asia/Daka"),
        "timezone",
        "'Asia/Daka' is no IANA time zone; did you mean 'Asia/Dhaka'?",
    ),
    "role": (
        ("role: nurse", "role: nuse"),
        "role: nuse",
        "no role in the policy 'nuse'; did you mean",
    ),
    "tenant": (
        ("tenant: north", "tenant: nort"),
        "tenant: nort,",
        "did you mean 'north'?",
    ),
    "tenant-missing": (("role: nurse, tenant: north", "role: nurse"), None, "say the persona's"),
    "login-unknown": (
        ("role: nurse, tenant: north", "role: nurse, tenant: north, login: pasword"),
        "login: pasword",
        "no login 'pasword'; did you mean 'password'?",
    ),
    "login-empty": (("{post: /login,", "{"), None, "a login needs"),
    "persona-name": (("nurse.north:", "nurse north:"), None, "is no persona name"),
    "persona-anonymous": (("nurse.north:", "anonymous:"), None, "not 'anonymous'"),
    "persona-role": (("{role: nurse, tenant: north", "{tenant: north"), None, "role: required"),
    "operation-request": (
        ("read: GET /notes/{id}", "read: /notes/{id}"),
        None,
        "'read' is neither a setting of a resource nor an operation",
    ),
    "setting": (("parent: patient", "parnt: patient"), None, "did you mean 'parent'?"),
    "method": (
        ("POST /patients,", "PSOT /patients,"),
        None,
        "'PSOT /patients' is not 'METHOD /path'",
    ),
    "operation-name": (
        ("read: GET /notes", "a b: GET /notes"),
        None,
        "no plain operation",
    ),
    "resource-name": (("  note:\n    parent", "  a note:\n    parent"), None, "no plain resource"),
    "resource-empty": (
        ("  patient:\n", "  ward:\n  patient:\n"),
        None,
        "a resource is a mapping of operations",
    ),
    "placeholder": (
        ('text: "{text}"', 'text: "{txt}"'),
        None,
        "{txt}: there is no template value 'txt'; did you mean 'text'?",
    ),
    "placeholder-head": (
        ("{patient.id}/notes", "{patent.id}/notes"),
        None,
        "{patent.id}: there is no resource or source of values 'patent'; did you mean 'patient'?",
    ),
    "two-bodies": (
        ('json: {name: "{name}"}}', 'json: {name: "{name}"}, form: {a: b}}'),
        None,
        "a request has one body",
    ),
    "json-path": (("bearer: $.token", 'bearer: "$.[t"'), "bearer", "is not a JSONPath"),
    "place": (("bearer: $.token", "bearer: token"), "bearer", "says no place of an answer"),
    "regex": (
        ("bearer: $.token", 'bearer: "$.token ~ (x"'),
        "bearer",
        "'(x' is not a regular expression",
    ),
    "as": (
        ('json: {text: "{text}"}', 'json: {text: "{text}"}, as: nurze'),
        "as: nurze",
        "no role or persona 'nurze'; did you mean",
    ),
    "after": (
        ("read: GET /notes/{id}", "read: {request: 'GET /notes/{id}', after: [creat]}"),
        None,
        "no operation 'creat'; did you mean 'create'?",
    ),
    "unchanged": (
        ("read: GET /notes/{id}", "read: {request: 'GET /notes/{id}', unchanged: reed}"),
        None,
        "no operation 'reed'; did you mean 'read'?",
    ),
    "fresh": (
        ("read: GET /notes/{id}", "read: {request: 'GET /notes/{id}', fresh: patent}"),
        None,
        "no resource 'patent'; did you mean 'patient'?",
    ),
    "object": (
        ("read: GET /notes/{id}", "read: {request: 'GET /notes/{id}', object: patent}"),
        None,
        "no resource 'patent'; did you mean 'patient'?",
    ),
    "ancestor": (
        ("    create: {request: POST /pa", "    parent: note\n    create: {request: POST /pa"),
        None,
        "would be its own ancestor",
    ),
    "no-create": (
        ("    create: {request: POST /patients,", "    admit: {request: POST /patients,"),
        None,
        "patient has neither a 'create' nor 'instances'",
    ),
    "grant-resource": (("note: {", "noet: {"), None, "no resource 'noet'; did you mean 'note'?"),
    "grant-operation": (
        ("patient: {create: allow", "patient: {craete: allow"),
        None,
        "no operation 'craete'; did you mean 'create'?",
    ),
    "effect": (('{"*": allow}', '{"*": permit}'), '"*"', "'permit' is no effect: write allow,"),
    "effect-list": (('{"*": allow}', '{"*": [own, owned]}'), None, "'owned' is no effect"),
    "effect-mask": (
        ("allow:desk", "allow:desc"),
        'read: "allow:desc',
        "no mask 'desc'; did you mean",
    ),
    "effect-colon": (("allow:desk", "allow:"), 'read: "allow:"', "'allow:' is no effect"),
    "mask-both": (
        ("{hidden: [name]}", "{hidden: [name], visible: [id]}"),
        "desk: {hidden",
        "says either 'visible' or 'hidden'",
    ),
    "mask-neither": (("{hidden: [name]}", "{}"), None, "says 'visible', 'hidden' or 'writable'"),
    "status": (
        ("masks:", "refusals: {role: 1403}\nmasks:"),
        "role: 1403",
        "less than or equal to 599",
    ),
    "outcome": (
        ("masks:", "outcomes: [{when: {status: 200}, then: refused}]\nmasks:"),
        "then: refused",
        "'denied'",
    ),
    "paging": (
        ("read: GET /notes/{id}", "list: {request: GET /notes, items: '$[*]', next: {param: p}}"),
        None,
        "goes with either 'cursor' or 'start'",
    ),
    "paging-rows": (
        ("read: GET /notes/{id}", "list: {request: GET /notes, next: {param: p, start: 1}}"),
        None,
        "'next' needs 'items'",
    ),
    "instance-tenant": (
        ("    read: GET /n", "    instances: [{tenant: nort, id: 1}]\n    read: GET /n"),
        "tenant: nort,",
        "no tenant 'nort'; did you mean 'north'?",
    ),
    "instance-persona": (
        (
            "    read: GET /notes/{id}",
            "    instances: [{tenant: north, id: 1, own: [nurse.nort]}]\n    read: GET /notes/{id}",
        ),
        None,
        "no persona 'nurse.nort'; did you mean 'nurse.north'?",
    ),
    "claimed": (
        ("parent: patient", "parent: patient\n    unguessable: [token]"),
        None,
        "no value taken on create 'token'",
    ),
    "duplicate": (
        ("    read: GET /notes/{id}", "    parent: patient\n    read: GET /notes/{id}"),
        None,
        "resources.note.parent: this key was already used on line 13",
    ),
}


@pytest.mark.parametrize(("change", "at", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_place_and_line(
    tmp_path: Path, change: tuple[str, str], at: str | None, told: str
) -> None:
    text = changed(*change)
    report = mistakes(tmp_path, text)
    assert told in report
    found = re.search(r"target\.yaml:(\d+):(\d+): ", report)
    assert found is not None
    line = int(found[1])
    assert f"\n    {text.splitlines()[line - 1].strip()}" in report
    if at is not None:
        assert (line, int(found[2])) == place(text, at)


def test_a_host_outside_is_allowed_when_it_is_named(tmp_path: Path) -> None:
    url = '"https://ward.example:8443/api/"'
    text = changed('"http://127.0.0.1:8000"', url + ", allow_hosts: [ward.example]")
    assert loaded(tmp_path, text).system.base_url == "https://ward.example:8443/api"


@pytest.mark.parametrize(
    ("host", "inside"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("localhost", True),
        ("ward.localhost", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("ward.example", False),
        ("localhost.example", False),
        ("notlocalhost", False),
        ("", False),
    ],
)
def test_the_loopback_is_this_machine_only(host: str, inside: bool) -> None:
    assert is_loopback(host) is inside


def test_a_name_that_nothing_is_near_lists_what_there_is(tmp_path: Path) -> None:
    report = mistakes(tmp_path, changed("tenant: south", "tenant: xyzzy"))
    assert "there is no tenant 'xyzzy'; there are: north, south" in report


def test_keys_that_stand_twice_are_all_reported_at_every_depth(tmp_path: Path) -> None:
    text = TEXT + "masks: {}\n"
    text = text.replace("user: n1", "user: n1, user: n3")
    report = mistakes(tmp_path, text)
    assert "personas.nurse.north.user: this key was already used on line 6" in report
    assert "masks: this key was already used on line 20" in report


# --- two files -------------------------------------------------------------------------------

APART, GRANTS = TEXT.split("policy:\n")
GRANTS = "policy:\n" + GRANTS


def test_a_mistake_is_located_in_the_file_where_it_stands(tmp_path: Path) -> None:
    report = mistakes(
        tmp_path,
        APART.replace("tenant: south", "tenant: soth"),
        GRANTS.replace("read:", "raed:"),
    )
    line, _ = place(APART, "tenant: south")
    assert re.search(rf"target\.yaml:{line}:\d+: .*'soth'", report)
    assert re.search(r"policy\.yaml:3:\d+: .*'raed'; did you mean 'read'\?", report)
    assert 'patient: {create: allow, raed: "allow:desk"}' in report


def test_a_mistake_of_form_in_the_policy_is_located_there(tmp_path: Path) -> None:
    report = mistakes(tmp_path, APART, GRANTS.replace("hidden:", "hiden:"))
    assert re.search(r"policy\.yaml:5:\d+: .*'hiden'", report)


@pytest.mark.parametrize(
    ("policy", "told"),
    [
        ("", "a policy file is a mapping"),
        ("- x", "a policy file is a mapping"),
        ("policy: {}\nmaks: {}\n", "unknown key 'maks' in a policy file; did you mean 'masks'?"),
        ("policy: [", "not valid YAML"),
        ("policy: {nurse: 5}\n", "policy.nurse"),
        ("masks: {}\n", "policy: required"),
    ],
)
def test_a_broken_policy_file_is_told(tmp_path: Path, policy: str, told: str) -> None:
    assert told in mistakes(tmp_path, APART, policy)


def test_a_key_in_both_files_is_a_mistake(tmp_path: Path) -> None:
    report = mistakes(tmp_path, TEXT, GRANTS)
    assert re.search(r"policy\.yaml:1:\d+: .*'policy' is already in .*target\.yaml", report)


def test_without_any_policy_it_says_where_to_write_one(tmp_path: Path) -> None:
    assert "no policy.yaml beside it: write the grants" in mistakes(tmp_path, APART)


# --- documents -------------------------------------------------------------------------------


def test_a_setting_is_cited_by_file_and_line(tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text("a:\n  b:\n    - c: 1\n    - d: 2\n")
    document = Document(path)
    assert document.cite(("a", "b", 1, "d")) == f"{path}:4"
    assert document.cite(("a", "b", 1, "missing")) == f"{path}:4"
    assert document.place(("nothing",)) == (1, 1)


# --- the shortest example of the manual ------------------------------------------------------


def example() -> str:
    text = (ROOT / "docs" / "target-file.md").read_text(encoding="utf-8")
    found = re.search(r"## The smallest useful one\n+```yaml\n(.*?)```", text, re.S)
    assert found
    return found[1]


def of_manual(folder: Path) -> Target:
    names = re.findall(r"\$\{(\w+)\}", example())
    return load(write(folder, example()), environ=dict.fromkeys(names, "secret-1")).target


def test_the_smallest_example_is_small_and_loads(tmp_path: Path) -> None:
    assert len(example().splitlines()) <= 40
    assert of_manual(tmp_path).system.openapi


def test_the_smallest_example_says_the_same_as_the_clinic(tmp_path: Path) -> None:
    ours, clinic = of_manual(tmp_path), load(CLINIC, environ={}).target
    for name, resource in ours.resources.items():
        theirs = clinic.resources[name]
        assert resource.parent == theirs.parent
        assert resource.operations
        for operation, described in resource.operations.items():
            assert described == theirs.operations[operation], f"{name}.{operation}"
    for role, grants in ours.policy.items():
        for name, operations in grants.items():
            assert operations.items() <= clinic.policy[role][name].items()
    assert ours.masks == clinic.masks
    assert ours.refusals == clinic.refusals
    assert set(ours.personas) <= set(clinic.personas)


# --- no file, however broken, ends in a traceback --------------------------------------------

LINES = CLINIC.read_text(encoding="utf-8").splitlines()
LINE = st.integers(0, len(LINES) - 1)
SCRAP = st.sampled_from(
    [
        "",
        "  ",
        "\t- x",
        "zz: 1",
        "  zz: {}",
        "    read: GET",
        "    5: GET /x/{id}",
        "    parent: note",
        "    read: {request: 'GET /{x.id}', items: '$['}",
        "policy: archetype",
        "personas: [a, b]",
        "resources: {patient: {read: 'GET /{id}'}}",
        "tenants: null",
        "  ? [a]",
        "<<: *x",
        "masks: {desk: {visible: 5}}",
        "login: {x: {send: 1}}",
        '"',
        "}",
        "a: ${NOPE}",
    ]
)
EDIT = st.one_of(
    st.tuples(st.just("delete"), LINE, st.just("")),
    st.tuples(st.just("insert"), LINE, SCRAP),
    st.tuples(st.just("insert"), LINE, st.sampled_from(LINES)),
    st.tuples(st.just("replace"), LINE, st.one_of(SCRAP, st.sampled_from(LINES))),
    st.tuples(st.just("cut"), LINE, st.just("")),
)


def edited(edits: list[tuple[str, int, str]]) -> str:
    lines = list(LINES)
    for what, place_, text in edits:
        at = min(place_, len(lines) - 1)
        if what == "insert":
            lines.insert(at, text)
        elif what == "delete" and len(lines) > 1:
            del lines[at]
        elif what == "cut":
            lines[at] = lines[at][: len(lines[at]) * 2 // 3]
        else:
            lines[at] = text
    return "\n".join(lines)


@settings(
    max_examples=60,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(EDIT, min_size=1, max_size=4))
def test_a_damaged_target_file_loads_or_is_reported(
    tmp_path: Path, edits: list[tuple[str, int, str]]
) -> None:
    folder = write(tmp_path, edited(edits))
    report, target = "", None
    try:
        target = load(folder, environ={}).target
    except InvalidDocument as error:
        report = str(error)
    assert isinstance(target, Target) or report.startswith(str(folder))


def test_a_deleted_line_is_reported_or_does_no_harm(tmp_path: Path) -> None:
    lines = TEXT.splitlines()
    outcomes = set()
    for at in range(len(lines)):
        folder = write(tmp_path, "\n".join(lines[:at] + lines[at + 1 :]))
        try:
            load(folder, environ=ENVIRONMENT)
        except InvalidDocument:
            outcomes.add("reported")
        else:
            outcomes.add("loads")
    assert outcomes == {"loads", "reported"}


def test_a_misspelt_parent_is_told(tmp_path: Path) -> None:
    report = mistakes(tmp_path, changed("parent: patient", "parent: patiant"))
    assert "no resource 'patiant'; did you mean 'patient'?" in report


@pytest.mark.parametrize("host", ["127.example.org", "127.0.0.1.example.org"])
def test_a_name_that_begins_like_the_loopback_is_outside(host: str) -> None:
    assert not is_loopback(host)


def test_a_tenant_name_that_no_case_id_can_hold_is_told() -> None:
    found = check(target(tenants={"north": {}, "\u09a2\u09be\u0995\u09be": {}}))
    assert ("tenants", "\u09a2\u09be\u0995\u09be") in [problem.loc for problem in found]
