"""What a target file claims about accounts, channels, emergencies, duties and its trail."""

import re
from pathlib import Path

import pytest

from conformance.document import InvalidDocument
from conformance.loading import load
from conformance.target import Target
from tests.engine.targets import ENVIRONMENT, write

TEXT = """\
system: {name: Ward, base_url: "http://127.0.0.1:8000"}
tenants: {north: {}, south: {}}
login:
  password:
    post: /login
    json: {user: "{user}", password: "{password}"}
    bearer: $.token
    take: {half: $.half}
    let: {whole: "{half}"}
    refresh: {request: POST /refresh, json: {refresh_token: "{refresh_token}", h: "{whole}"}}
    logout: {request: POST /logout, json: {token: "{access_token}", user: "{user}"}}
    keys: GET /keys
personas:
  nurse.north: {role: nurse, tenant: north, user: n1, password: "${NURSE}"}
  chief.north: {role: chief, tenant: north, user: c1, password: "${NURSE}"}
accounts:
  create:
    as: chief
    request: POST /users
    json: {user: "{username}", password: "{password}", roles: "{roles}", name: "{name}"}
    take: {user_id: $.id}
    roles: [nurse]
    login: password
  change_roles: {as: chief, request: "PUT /users/{user_id}", json: {keep: "{roles}", gone: "{removed}"}}
  disable: {as: chief.north, request: "POST /users/{persona.user_id}/disable"}
  change_password: {request: POST /me, json: {old: "{password}", new: "{new_password}"}}
  reset_password: {request: POST /reset, json: {user: "{user}"}}
  lock_out: {attempts: 5}
channels:
  link:
    about: patient
    make:
      - {request: "POST /patients/{id}/links", take: {link: $.id}}
      - {request: "POST /links/{link}/open", take: {url: $.url}}
    use: GET {url}
    roles: [nurse]
break_glass:
  resource: patient
  roles: [nurse]
  open: {request: POST /glass, json: {patient: "{patient.id}", why: "{text}", s: "{seconds}"}, take: {grant: $.id}}
  reason: why
  opens: [read]
  most_seconds: 60
  end: "DELETE /glass/{grant}"
  review: {as: chief, request: "GET /glass/{grant}"}
duties: [{resource: patient, first: create, then: sign}]
audit:
  read: {request: GET /audit, as: chief, query: {id: "{correlation}", since: "{since}"}, items: "$[*]"}
  header: X-Request-Id
  entry: {correlation: $.id}
  exempt: [patient.read]
resources:
  patient:
    relations:
      own: {nurse: creator}
      assigned: {request: "POST /patients/{id}/team", json: {user: "{persona.user}"}, as: chief, take: {member: $.id}, ends: "DELETE /team/{member}"}
    create: {request: POST /patients, json: {name: "{name}"}}
    read: GET /patients/{id}
    sign: POST /patients/{id}/sign
policy:
  nurse: {patient: {"*": allow}}
  chief: {patient: {"*": allow}}
"""  # noqa: E501

# (what is written instead of what, what is told); the place is that of the new text's line.
MISTAKES = {
    "accounts-key": ("  disable: {as: chief.north", "  disabel: {as: chief.north", "'disable'"),
    "create-key": ("    take: {user_id", "    takes: {user_id", "unknown key 'takes'"),
    "glass-key": ("  most_seconds: 60", "  most_second: 60", "did you mean 'most_seconds'?"),
    "glass-required": ("  most_seconds: 60\n", "", "break_glass.most_seconds: required"),
    "audit-key": ("  exempt:", "  exemt:", "unknown key 'exemt'; did you mean 'exempt'?"),
    "entry-key": ("{correlation: $.id}", "{corelation: $.id}", "did you mean 'correlation'?"),
    "channel-key": ("    about: patient", "    abuot: patient", "did you mean 'about'?"),
    "duty-key": ("first: create", "frist: create", "did you mean 'first'?"),
    "login-key": ("    logout: {", "    logot: {", "did you mean 'logout'?"),
    "ends-key": ("take: {member", "takes: {member", "unknown key 'takes'"),
    "trail-unfindable": ("  header: X-Request-Id\n", "", "say 'header'"),
    "lock-out": ("{attempts: 5}", "{attempts: 0}", "greater than or equal to 1"),
    "create-as": ("    as: chief\n", "    as: chef\n", "no role or persona 'chef'; did you mean"),
    "create-roles": ("    roles: [nurse]\n    login", "    roles: [nurze]\n    login", "'nurze'"),
    "create-login": ("    login: password", "    login: pasword", "no login 'pasword'; did you"),
    "create-placeholder": ('name: "{name}"}\n', 'name: "{nme}"}\n', "{nme}: there is no template"),
    "create-fact": ('name: "{name}"}\n', 'name: "{user}"}\n', "{user}: there is no template"),
    "roles-as": ('{as: chief, request: "PUT', '{as: cheif, request: "PUT', "did you mean 'chief'"),
    "roles-placeholder": ("{removed}", "{remved}", "{remved}: there is no template value"),
    "disable-as": ("{as: chief.north", "{as: chief.nort", "did you mean 'chief.north'?"),
    "password-placeholder": ("{new_password}", "{newpassword}", "did you mean 'new_password'?"),
    "reset-placeholder": ('{user: "{user}"}}\n  lock', '{user: "{usr}"}}\n  lock', "{usr}: there"),
    "about": ("    about: patient", "    about: patent", "no resource 'patent'; did you mean"),
    "channel-roles": (
        "    roles: [nurse]\nbreak",
        "    roles: [nuse]\nbreak",
        "policy 'nuse'; did",
    ),
    "channel-make": ("/links/{link}/open", "/links/{lnik}/open", "{lnik}: there is no template"),
    "channel-order": ("{id}/links", "{url}/links", "{url}: there is no template value 'url'"),
    "channel-use": (
        "    use: GET {url}",
        "    use: GET {ulr}",
        "{ulr}: there is no template value",
    ),
    "glass-resource": ("  resource: patient\n", "  resource: patint\n", "no resource 'patint'"),
    "glass-roles": ("  roles: [nurse]\n  open", "  roles: [nurs]\n  open", "policy 'nurs'; did"),
    "glass-opens": ("  opens: [read]", "  opens: [raed]", "no operation 'raed'; did you mean"),
    "glass-writes": ("  opens: [read]", "  opens: [sign]", "'sign' is no read of patient"),
    "glass-reason": ("  reason: why", "  reason: because", "no 'because' in the json or form"),
    "glass-placeholder": ("{seconds}", "{second}", "{second}: there is no template value"),
    "glass-head": ('{patient.id}", why', '{patent.id}", why', "source of values 'patent'; did"),
    "glass-end": ('/glass/{grant}"\n  rev', '/glass/{grnt}"\n  rev', "{grnt}: there is no"),
    "glass-review": ("  review: {as: chief,", "  review: {as: chf,", "no role or persona 'chf'"),
    "duty-resource": ("[{resource: patient", "[{resource: patien", "no resource 'patien'; did"),
    "duty-first": ("first: create", "first: creat", "no operation 'creat'; did you mean 'create'?"),
    "duty-then": ("then: sign", "then: sgin", "no operation 'sgin'; did you mean 'sign'?"),
    "audit-as": ("GET /audit, as: chief", "GET /audit, as: chieff", "did you mean 'chief'?"),
    "audit-placeholder": ("{correlation}", "{corelation}", "{corelation}: there is no template"),
    "audit-exempt": ("[patient.read]", "[patient.reed]", "no operation 'patient.reed'; did you"),
    "logout-placeholder": ("{access_token}", "{acess_token}", "did you mean 'access_token'?"),
    "refresh-placeholder": ('{whole}"}}', '{hwole}"}}', "{hwole}: there is no template value"),
    "keys-placeholder": ("keys: GET /keys", "keys: GET /keys/{kid}", "{kid}: there is no"),
    "relation-role": ("own: {nurse:", "own: {nusre:", "no role in the policy 'nusre'; did you"),
    "relation-as": ("as: chief, take: {m", "as: chif, take: {m", "no role or persona 'chif'"),
    "relation-placeholder": ("/{id}/team", "/{di}/team", "{di}: there is no template value"),
    "ends-placeholder": ("/team/{member}", "/team/{membr}", "{membr}: there is no template value"),
}


def loaded(folder: Path, text: str = TEXT) -> Target:
    return load(write(folder, text), environ=ENVIRONMENT).target


def test_all_of_it_can_be_claimed(tmp_path: Path) -> None:
    target = loaded(tmp_path)
    assert target.accounts.create is not None
    assert target.accounts.create.as_ == ["chief"]
    assert target.channels["link"].make[1].take == {"url": "$.url"}
    assert target.break_glass is not None
    assert set(target.break_glass.body) == {"patient", "why", "s"}
    assert target.duties[0].then == "sign"
    assert target.audit is not None
    assert target.audit.read.placeholders == {"correlation", "since"}


@pytest.mark.parametrize(("old", "new", "told"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert TEXT.count(old) == 1, old
    text = TEXT.replace(old, new)
    with pytest.raises(InvalidDocument) as error:
        loaded(tmp_path, text)
    report = str(error.value)
    assert told in report
    found = re.search(r"target\.yaml:(\d+):(\d+): ", report)
    assert found is not None
    line = int(found[1])
    until = text.splitlines()[:line]
    assert f"\n    {until[-1].strip()}" in report
    section = re.findall(r"^(\w+):", "\n".join(until), re.M)[-1]
    assert re.search(rf"target\.yaml:{line}:\d+: {section}[.:]", report)


def test_several_mistakes_are_told_at_once(tmp_path: Path) -> None:
    text = TEXT.replace("{new_password}", "{newpassword}").replace("then: sign", "then: sgin")
    with pytest.raises(InvalidDocument) as error:
        loaded(tmp_path, text.replace("    use: GET {url}", "    use: GET {ulr}"))
    assert "\n3 problems in " in str(error.value)


def test_the_reason_may_stand_in_a_form(tmp_path: Path) -> None:
    target = loaded(tmp_path, TEXT.replace("POST /glass, json:", "POST /glass, form:"))
    assert target.break_glass is not None
    assert "why" in target.break_glass.body


def test_a_trail_that_gives_ids_need_not_take_them(tmp_path: Path) -> None:
    text = TEXT.replace("  header: X-Request-Id\n", "  answered: header:X-Request-Id\n")
    target = loaded(tmp_path, text)
    assert target.audit is not None
    assert target.audit.header is None
