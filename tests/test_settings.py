"""Settings: what is right is read, what is wrong is refused with its place and its cure, all at once."""

from pathlib import Path

import pytest
import yaml

from app.settings import VARIABLES, ClusterSettings, Settings, SettingsRefused, load
from app.settings.clusters import found
from app.settings.shape import SHAPE

WHOLE = """
listen: {host: 0.0.0.0, port: 9000}
database: postgresql://ship:secret@db.example.org:5432/shipboard
clusters:
  - {name: production, kubeconfig: kube/prod.yaml, context: prod, namespaces: [shop, pay]}
  - {name: here, in_cluster: true}
environments:
  order: [staging, production]
  rules: [{environment: production, cluster: 'prod*', namespace: '*'}]
service_labels: [app]
team_labels: [team]
ignore_namespaces: ['kube-*']
retention_days: 30
log_format: json
public_url: https://Ship.example.org
drain_seconds: 2.5
"""


def read(tmp_path: Path, text: str | bytes, environ: dict[str, str] | None = None, **overrides) -> Settings:
    file = tmp_path / "shipboard.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return load(file, environ or {}, tmp_path, overrides)


def refusal(tmp_path: Path, text: str | bytes, environ: dict[str, str] | None = None, **overrides) -> str:
    with pytest.raises(SettingsRefused) as refused:
        read(tmp_path, text, environ, **overrides)
    return str(refused.value).replace(f"{tmp_path}/shipboard.yaml:", "@")


def test_settings_whole_file_is_read(tmp_path):
    settings = read(tmp_path, WHOLE)
    assert (settings.host, settings.port, settings.loopback) == ("0.0.0.0", 9000, False)
    assert settings.database == "postgresql+psycopg://ship:secret@db.example.org:5432/shipboard"
    assert settings.clusters == (
        ClusterSettings("production", tmp_path / "kube/prod.yaml", "prod", False, ("shop", "pay")),
        ClusterSettings("here", in_cluster=True),
    )
    assert settings.environments == ("staging", "production")
    assert settings.environment_rules[0].cluster == "prod*"
    assert (settings.retention_days, settings.drain_seconds) == (30, 2.5)
    assert settings.public_url == "https://ship.example.org"


def test_settings_without_a_file_have_defaults(tmp_path):
    settings = load(None, {"XDG_STATE_HOME": "/state"}, tmp_path)
    assert settings == Settings(database="sqlite+aiosqlite:////state/shipboard/shipboard.db")
    assert settings.loopback


def test_settings_shown_have_no_password_and_read_the_same_again(tmp_path):
    import yaml

    shown = read(tmp_path, WHOLE).as_file()
    assert shown["database"] == "postgresql+psycopg://ship:***@db.example.org:5432/shipboard"
    assert "secret" not in repr(shown)
    again = read(tmp_path, yaml.safe_dump(shown))
    assert again.clusters == read(tmp_path, WHOLE).clusters
    assert again.environment_rules == read(tmp_path, WHOLE).environment_rules


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "@1:1: is empty"),
        ("# nothing\n", "@1:1: is empty"),
        ("null", "is empty, where keys with values belong"),
        ("listen: {port: 0}", "@1:16: listen.port: '0' is not a whole number from 1 to 65535"),
        ("listen: {port: 010}", "@1:16: listen.port: '010' is not a whole number"),
        ("listen: {port: true}", "@1:16: listen.port: 'true' is not a whole number"),
        ("listen:\n  hots: x", "@2:3: listen.hots: is no setting. Did you mean host?"),
        ("retention_dayz: 3", "@1:1: retention_dayz: is no setting. Did you mean retention_days?"),
        ("retention_days: 3\nretention_days: 4", "@2:1: retention_days: is set twice"),
        ("listen: 8000", "@1:9: listen: is a single value, where keys with values belong"),
        ("clusters: {name: a}", "@1:11: clusters: is a group of keys, where a list belongs"),
        ("clusters: [{context: a}]", "@1:12: clusters[0].name: is missing"),
        (
            "clusters: [{name: no}]",
            "@1:19: clusters[0].name: YAML reads no as true or false; put it in quotes",
        ),
        ("clusters: [{name: 1.10}]", "clusters[0].name: YAML reads 1.10 as a number; put it in quotes"),
        ("clusters: [{name: a, in_cluster: true, context: b}]", "not both"),
        ("clusters: [{name: a}, {name: a}]", "clusters: has two clusters called 'a'"),
        ("clusters: [{name: a, namespaces: [Shop]}]", "clusters[0].namespaces[0]: 'Shop' is not a namespace"),
        ("environments: {order: [a, a]}", "names an environment twice"),
        (
            "environments: {order: [staging, production], rules: [{environment: producton}]}",
            "Did you mean production?",
        ),
        ("database: mysql://u:secret@h/x", "@1:11: database: 'mysql' is not a database we speak"),
        ("database: 'sqlite://'", "names no file"),
        ("database: 'sqlite:///:memory:'", "names no file"),
        ("database: postgresql://host", "names no database"),
        ("public_url: ship.example.org", "public_url: 'ship.example.org' is not http:// or https://"),
        ("public_url: https://a/b", "nothing after it"),
        ("log_format: xml", "log_format: 'xml' is neither json nor text"),
        ("drain_seconds: 60", "drain_seconds: '60' is not a number of seconds from 0 to 9"),
        ("retention_days: ", "retention_days: '' is not a whole number"),
        ("log_format: ", "log_format: is empty"),
        ("service_labels: ['a b']", "service_labels[0]: 'a b' is not a label key"),
        ("listen: {port: 1\n", "is not YAML"),
        ("a: b: c", "@1:5: is not YAML"),
        ("\tlisten: 1", "is not YAML"),
        ("listen: &a {port: *a}", "listen.port: is a group of keys, where one value belongs"),
        ("--- {}\n--- {}", "is not YAML"),
        ("!!python/object/apply:os.system [x]", "is a list, where keys with values belong"),
        ("clusters: &a [*a]", "clusters[0]: is a list, where keys with values belong"),
        ("[" * 3000, "is not YAML"),
        (b"\xff\xfe\xff", "is not YAML"),
        (b"listen: {port: \x00}", "is not YAML"),
        (b" " * 1_000_001, "is larger than"),
    ],
)
def test_settings_bad_file_is_refused_with_its_place(tmp_path, text, said):
    message = refusal(tmp_path, text)
    assert said in message
    assert "secret" not in message


GRANT = "roles: [{role: viewer, people: ['*']}]"
OIDC = "oidc: {issuer: 'https://id.example', client_id: ship}"
SECRETS = {"SHIPBOARD_OIDC_CLIENT_SECRET": "canary-oidc", "SHIPBOARD_PROXY_SECRET": "canary-proxy-secret"}


def test_settings_of_sign_in_are_read(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("canary-of-a-file\n")
    settings = read(
        tmp_path,
        f"public_url: https://s.example\nauth:\n  modes: [local, oidc, proxy]\n  anonymous: viewer\n  {OIDC}\n"
        f"  proxy: {{peers: [10.0.0.7, 'fd00::/64'], secret_file: {secret}, user_header: X-User}}\n"
        "  roles: [{role: operator, environment: staging, groups: [dev], people: ['oidc:1|2']}]\n",
        {"SHIPBOARD_OIDC_CLIENT_SECRET": "canary-oidc"},
    )
    auth = settings.auth
    assert auth.anonymous
    assert auth.oidc is not None
    assert auth.proxy is not None
    assert (auth.oidc.secret.reveal(), auth.proxy.secret.reveal()) == ("canary-oidc", "canary-of-a-file")
    assert auth.proxy.user_header == "x-user"
    assert [str(peer) for peer in auth.proxy.peers] == ["10.0.0.7/32", "fd00::/64"]
    assert "canary-" not in repr(settings) + repr(settings.as_file())


@pytest.mark.parametrize(
    ("auth", "said"),
    [
        ("{}", "DEFAULT"),
        ("{modes: []}", "DEFAULT"),
        ("", "auth: is empty"),
        ("local", "where keys with values belong"),
        ("{mode: local}", "Did you mean modes?"),
        ("{modes: local}", "where a list belongs"),
        ("{modes: [lokal]}", "neither local, oidc nor proxy"),
        ("{modes: [demo]}", "neither local, oidc nor proxy"),
        ("{modes: [none]}", "neither local, oidc nor proxy"),
        ("{modes: [local, local]}", "names a mode twice"),
        ("{modes: [oidc]}", "needs the key oidc too"),
        ("{modes: [proxy]}", "needs the key proxy too"),
        (f"{{modes: [local], {OIDC}}}", "modes does not name it"),
        (f"{{{GRANT}}}", "names no modes"),
        ("{anonymous: viewer}", "names no modes"),
        ("{modes: [local], anonymous: admin}", "neither none nor viewer"),
        ("{modes: [local], anonymous: true}", "put it in quotes"),
        ("{modes: [local], hours: 0}", "whole number from 1 to 168"),
        ("{modes: [local], step_up_minutes: -1}", "whole number from 0 to 1440"),
        ("{modes: [local], hours: 1000}", "whole number from 1 to 168"),
        ("{modes: [local], idle_minutes: forever}", "whole number"),
        ("{modes: [oidc], oidc: {client_id: ship}}", "issuer: is missing"),
        ("{modes: [oidc], oidc: {issuer: 'https://id.example'}}", "client_id: is missing"),
        ("{modes: [oidc], oidc: {issuer: 'http://id.example', client_id: x}}", "not an https:// address"),
        ("{modes: [oidc], oidc: {issuer: id.example, client_id: x}}", "not an https:// address"),
        ("{modes: [oidc], oidc: {issuer: 'https://u@id.example', client_id: x}}", "not an https:// address"),
        ("{modes: [oidc], oidc: {issuer: 'https://id.example?x', client_id: x}}", "something after its path"),
        ("{modes: [oidc], oidc: {issuer: 'https://i.x', client_id: x, secret: y}}", "is no setting"),
        ("{modes: [oidc], oidc: {issuer: 'https://i.x', client_id: x, secret_file: /no}}", "cannot be read"),
        ("{modes: [oidc], oidc: {issuer: 'https://i.x', client_id: x, secret_file: /dev/null}}", "no secret"),
        ("{modes: [proxy], proxy: {}}", "peers: is missing"),
        ("{modes: [proxy], proxy: {peers: []}}", "names no peers"),
        ("{modes: [proxy], proxy: {peers: ['0.0.0.0/0']}}", "too wide"),
        ("{modes: [proxy], proxy: {peers: ['::/0']}}", "too wide"),
        ("{modes: [proxy], proxy: {peers: ['10.0.0.0/8']}}", "too wide"),
        ("{modes: [proxy], proxy: {peers: [proxy.example]}}", "neither an address nor a network"),
        ("{modes: [proxy], proxy: {peers: ['10.0.0.7/24']}}", "neither an address nor a network"),
        ("{modes: [proxy], proxy: {peers: [10.0.0.7], user_header: X_User}}", "no header name"),
        ("{modes: [proxy], proxy: {peers: [10.0.0.7], user_header: Cookie}}", "every request's own"),
        ("{modes: [local], roles: [{role: root, people: ['*']}]}", "none of viewer"),
        ("{modes: [local], roles: [{role: viewer}]}", "granted to nobody"),
        ("{modes: [local], roles: [{role: viewer, people: []}]}", "granted to nobody"),
        ("{modes: [local], roles: [{role: admin, people: ['*']}]}", "everybody an admin"),
        ("{modes: [local], roles: [{role: viewer, people: [vera@x.example]}]}", "local:, oidc: or proxy:"),
        ("{modes: [local], roles: [{people: ['*']}]}", "role: is missing"),
        ("{modes: [local], roles: {viewer: '*'}}", "where a list belongs"),
        (
            "{modes: [local], roles: [{role: viewer, environment: prod, people: ['*']}]}",
            "order does not name",
        ),
    ],
)
def test_settings_of_sign_in_that_are_wrong_are_refused(tmp_path, auth, said):
    """SR-03: fail closed; whatever is odd starts nothing, and no mistake opens a door."""
    text = f"environments: {{order: [staging, production]}}\nauth: {auth}\n"
    if said == "DEFAULT":
        assert read(tmp_path, text, SECRETS).auth.modes == ()
        return
    message = refusal(tmp_path, text, SECRETS)
    assert said in message
    assert "canary" not in message


@pytest.mark.parametrize(
    ("environ", "said"),
    [
        ({}, "auth.oidc: has no secret"),
        ({"SHIPBOARD_OIDC_CLIENT_SECRET": ""}, "is set but empty"),
        ({"SHIPBOARD_OIDC_CLIENT_SECRET": "x\ny"}, "holds no secret"),
    ],
)
def test_settings_without_their_secret_are_refused(tmp_path, environ, said):
    """SR-03."""
    assert said in refusal(tmp_path, f"auth: {{modes: [oidc], {OIDC}}}", environ)


def test_settings_short_proxy_secret_and_no_address_to_come_back_to_are_refused(tmp_path):
    """SR-03, SR-07, SR-28."""
    short = refusal(
        tmp_path, "auth: {modes: [proxy], proxy: {peers: [10.0.0.7]}}", {"SHIPBOARD_PROXY_SECRET": "canary"}
    )
    assert "fewer than 16 characters" in short
    assert "canary" not in short
    remote = f"listen: {{host: 0.0.0.0}}\nauth: {{modes: [oidc], {OIDC}}}"
    assert "public_url: is missing" in refusal(tmp_path, remote, SECRETS)


def test_settings_all_mistakes_are_named_at_once(tmp_path):
    message = refusal(
        tmp_path,
        "listen: {port: x}\nretention_days: 0\nfoo: 1",
        {"SHIPBOARD_LOG_FORMAT": "xml"},
        port=0,
    )
    for place in ("@1:16", "@2:17", "@3:1", "SHIPBOARD_LOG_FORMAT", "--port"):
        assert place in message
    assert "for example:  retention_days: 90" in message


@pytest.mark.parametrize("how", ["missing", "directory", "variable", "empty variable"])
def test_settings_file_that_was_asked_for_must_be_there(tmp_path, how):
    asked = {"missing": tmp_path / "no.yaml", "directory": tmp_path}.get(how)
    environ = {
        "variable": {"SHIPBOARD_CONFIG": str(tmp_path / "no.yaml")},
        "empty variable": {"SHIPBOARD_CONFIG": " "},
    }.get(how, {})
    with pytest.raises(SettingsRefused, match=r"cannot be read|set but empty"):
        load(asked, environ, tmp_path)


def test_settings_precedence_is_command_line_environment_file(tmp_path):
    text = "listen: {host: 127.0.0.1, port: 1}\nretention_days: 1\nlog_format: json"
    environ = {"SHIPBOARD_LISTEN_PORT": "2", "SHIPBOARD_RETENTION_DAYS": "2"}
    settings = read(tmp_path, text, environ, port=3)
    assert (settings.port, settings.retention_days, settings.log_format) == (3, 2, "json")


def test_settings_file_here_is_found_by_itself(tmp_path):
    (tmp_path / "shipboard.yaml").write_text("retention_days: 7")
    assert load(None, {}, tmp_path).retention_days == 7


def test_settings_unknown_variable_is_a_warning_and_service_links_are_none(tmp_path):
    environ = {
        "SHIPBOARD_LISTEN_PRT": "1",
        "SHIPBOARD_PORT": "tcp://10.0.0.1:80",
        "SHIPBOARD_PORT_80_TCP_ADDR": "10.0.0.1",
        "SHIPBOARD_SERVICE_HOST": "10.0.0.1",
    }
    settings = load(None, environ, tmp_path)
    assert settings.warnings == ("SHIPBOARD_LISTEN_PRT sets nothing. Did you mean SHIPBOARD_LISTEN_PORT?",)
    assert settings.port == 8000


def test_settings_database_path_is_a_sqlite_file(tmp_path):
    assert read(tmp_path, "database: /var/x.db").database == "sqlite+aiosqlite:////var/x.db"
    assert read(tmp_path, "database: sqlite:////var/x.db").database == "sqlite+aiosqlite:////var/x.db"


def test_clusters_follow_kubectl_then_the_pod(tmp_path):
    config, account = tmp_path / "config", tmp_path / "account"
    config.write_text("current-context: blue\n")
    account.mkdir()
    (account / "token").write_text("x")
    pod = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBECONFIG": str(tmp_path / "none")}
    assert found({"KUBECONFIG": f"{tmp_path}/none:{config}"})[0].context == "blue"
    assert found(pod, service_account=account) == (ClusterSettings("in-cluster", in_cluster=True),)
    assert found({"KUBECONFIG": str(tmp_path / "none")}, service_account=account) == ()


@pytest.mark.parametrize("text", ["", "[]", "current-context: 7", "a: {", "current-context: ''"])
def test_clusters_unreadable_kubeconfig_names_none(tmp_path, text):
    (tmp_path / "config").write_text(text)
    assert found({"KUBECONFIG": str(tmp_path / "config")}, service_account=tmp_path) == ()


def test_settings_example_in_the_documentation_is_right_and_complete():
    file = Path(__file__).parents[1] / "docs/shipboard.yaml"
    text = file.read_text()
    secrets = {"SHIPBOARD_OIDC_CLIENT_SECRET": "o" * 20, "SHIPBOARD_PROXY_SECRET": "p" * 20}
    settings = load(file, secrets, file.parent)
    assert [cluster.name for cluster in settings.clusters] == ["production", "tools"]
    assert all(key in text for key in SHAPE.keys)
    assert all(variable in text for variable in VARIABLES)


HOOKS = """
hooks:
  - id: acme
    provider: github
    secrets: [{env: CI_SECRET}, {file: next}]
    repositories: ["github.com/acme/*"]
    poll: {url: https://api.example.org/, token: {env: SHIPBOARD_CI_TOKEN}}
events: [{url: "https://events.example.org/in", token: {file: token}}]
services: [{repository: github.com/acme/shop, services: [cart, checkout]}]
job_stages: [{job: "check *", stage: unit}]
"""


def test_hooks_take_their_secrets_from_variables_and_files_beside_the_settings(tmp_path):
    (tmp_path / "next").write_text("the next\n")
    (tmp_path / "token").write_text("for events")
    (tmp_path / "shipboard.yaml").write_text(HOOKS)
    settings = load(None, {"CI_SECRET": "this one", "SHIPBOARD_CI_TOKEN": "t0ken"}, tmp_path)
    (hook,) = settings.hooks
    assert (hook.secrets, hook.poll and hook.poll.secret) == (("this one", "the next"), "t0ken")
    assert [sink.secret for sink in settings.events] == ["for events"]
    assert settings.warnings == ()
    shown = f"{settings} {settings.as_file()}"
    assert not any(secret in shown for secret in ("this one", "the next", "t0ken", "for events"))
    assert settings.as_file()["hooks"][0]["secrets"] == [
        {"env": "CI_SECRET"},
        {"file": str(tmp_path / "next")},
    ]


def test_hook_whose_secrets_are_not_there_is_off_and_says_so(tmp_path):
    (tmp_path / "shipboard.yaml").write_text(HOOKS)
    settings = load(None, {}, tmp_path)
    assert settings.hooks[0].secrets == ()
    assert "hooks: acme is off, since it has no secret." in settings.warnings
    assert any("CI_SECRET holds no secret" in warning for warning in settings.warnings)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("hooks: [{id: a, provider: hudson, repositories: [x/y]}]", "none of github"),
        ("hooks: [{id: a, provider: github, repositories: []}]", "names no repository"),
        ("hooks: [{id: a, provider: github}]", "names no repository"),
        ("hooks: [{id: a}]", "is missing"),
        ("hooks: [{id: a, provider: grafana, repositories: [x/y]}]", "names no environment"),
        ("hooks: [{id: 'a b', provider: github, repositories: [x/y]}]", "not an id"),
        ("hooks: [{id: a, provider: github, repositories: [x/y], secrets: [{}]}]", "either env or file"),
        ("hooks: [{id: a, provider: github, repositories: [x/y], secrets: [plain]}]", "keys with values"),
        ("hooks: [{id: a, provider: github, repositories: [x/y], poll: {url: 'ftp://x'}}]", "not an http"),
        ("job_stages: [{job: x, stage: sail}]", "none of build"),
        ("signing: [{repository: x/y, signer: me}]", "no issuer"),
        ("signing: [{repository: x/y, issuer: 'http://i'}]", "not an https address"),
        ("signing: [{repository: x/y, keys: [{name: ci}]}]", "either pem or file"),
        ("signing: [{repository: x/y, keys: [{name: ci, pem: nokey}]}]", "no public key as PEM"),
        ("scan_threshold: awful", "none of critical"),
    ],
)
def test_hooks_that_are_wrong_are_refused_with_what_is_wrong(tmp_path, text, words):
    with pytest.raises(SettingsRefused, match=words):
        read(tmp_path, text)


PEM = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""


def test_signing_keys_are_read_from_the_settings_or_a_file_and_one_that_is_none_is_told(tmp_path):
    (tmp_path / "ci.pub").write_text(PEM)
    inline = "".join(f"          {line}\n" for line in PEM.splitlines())
    (tmp_path / "shipboard.yaml").write_text(
        "signing:\n  - repository: github.com/acme/*\n    keys:\n      - {name: ci, file: ci.pub}\n"
        f"      - name: next\n        pem: |\n{inline}      - {{name: lost, file: lost.pub}}\n"
    )
    settings = load(None, {}, tmp_path)
    (rule,) = settings.signing
    assert [(key.name, key.pem) for key in rule.keys] == [("ci", PEM), ("next", PEM), ("lost", "")]
    assert settings.warnings == (
        "signing: key lost: lost.pub holds no public key as PEM, so it verifies nothing.",
    )
    (shown,) = settings.as_file()["signing"]
    assert shown["keys"][0] == {"name": "ci", "file": str(tmp_path / "ci.pub")}
    assert shown["keys"][1] == {"name": "next", "pem": PEM}


def test_two_hooks_of_one_id_are_refused(tmp_path):
    hook = "{id: a, provider: github, repositories: [x/y]}"
    with pytest.raises(SettingsRefused, match="two hooks called 'a'"):
        read(tmp_path, f"hooks: [{hook}, {hook}]")


GATES = """
hooks:
  - id: acme
    provider: github
    secrets: [{env: CI_SECRET}]
    repositories: ["github.com/acme/*"]
    gates:
      {url: "https://api.example.org", app: 4711, key: {file: app.pem}, environments: [{name: prod, is: production}]}
delivery:
  environments: [{environment: production, dispatch: {hook: HOOK, repository: "github.com/acme/{service}", event: go}}]
"""


@pytest.mark.parametrize("named", ["acme", "nobody"])
def test_gates_of_a_hook_are_answered_by_an_app_and_what_cannot_be_is_told(tmp_path, named):
    file = tmp_path / "shipboard.yaml"
    file.write_text(GATES.replace("HOOK", named))
    told = "SECRET KEY"
    if named == "acme":
        (tmp_path / "app.pem").write_text(told)
    settings = load(None, {"CI_SECRET": "c" * 20}, tmp_path)
    (hook,) = settings.hooks
    assert hook.gates
    assert (hook.gates.app, hook.gates.environments) == ("4711", (("prod", "production"),))
    assert told not in repr(settings)
    shown = settings.as_file()
    assert told not in str(shown)
    file.write_text(yaml.safe_dump(shown))
    assert load(None, {"CI_SECRET": "c" * 20}, tmp_path).as_file() == shown
    odd = " ".join(settings.warnings)
    assert ("holds no secret, so its gates cannot be answered" in odd) is (named == "nobody")
    assert ("dispatch names the hook 'nobody'" in odd) is (named == "nobody")
