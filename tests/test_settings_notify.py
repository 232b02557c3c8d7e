"""Settings of telling people: read and shown without secrets, off without one, and wrong where they make no sense."""

import pytest

from app.domain.notices import NoticeKind
from tests.test_settings import read, refusal

NOTIFY = """
notify:
  per_minute: 5
  targets:
    - {name: releases, slack: {url: {env: SLACK_WEBHOOK}}}
    - {name: gates, slack: {channel: C024BE91L, token: {file: bot}}}
    - {name: mail, apprise: {url: {env: SHIP_MAIL}}}
    - {name: ledger, webhook: {url: 'https://ledger.example.org/in', secret: {env: LEDGER}, private: true}}
    - {name: events, cdevents: {url: 'https://events.example.org'}}
  routes:
    - {to: [releases, mail], environment: production, service: 'pay*', team: money, kinds: [gate-opened]}
    - {to: [gates, ledger]}
  slack:
    - id: acme
      team: T024BE7LD
      secrets: [{env: SIGNING}]
      people: [{user: U1A, identity: 'local:vera', groups: [release]}]
      counts_as_sign_in: true
      bot: {file: bot}
"""


def test_targets_have_their_secrets_and_show_none(tmp_path):
    (tmp_path / "bot").write_text("xoxb-hush\n")
    found = read(tmp_path, NOTIFY, {"SLACK_WEBHOOK": "https://hooks/x-hush", "SIGNING": "s-hush"})
    notify = found.notify
    targets = {target.name: target for target in notify.targets}
    assert [name for name, target in targets.items() if target.on] == ["releases", "gates", "events"]
    assert (targets["gates"].secret, targets["gates"].channel) == ("xoxb-hush", "C024BE91L")
    assert notify.routes[0].kinds == {NoticeKind.GATE_OPENED}
    assert notify.slack[0].token == "xoxb-hush"
    assert (notify.slack[0].secrets, notify.slack[0].people[0].groups) == (("s-hush",), ("release",))
    assert found.warnings == (
        "notify: mail is off, since SHIP_MAIL holds nothing.",
        "notify: ledger is off, since LEDGER holds nothing.",
        "notify: no route leads to events.",
    )
    assert "hush" not in f"{found.as_file()}{found!r}"


def test_settings_shown_are_settings_that_can_be_read(tmp_path):
    import yaml

    (tmp_path / "bot").write_text("x")
    found = read(tmp_path, NOTIFY)
    again = read(tmp_path, yaml.safe_dump({"notify": found.as_file()["notify"]}))
    assert again.notify == found.notify


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("{targets: [{name: a}]}", "is one of apprise, webhook, cdevents and slack"),
        ("{targets: [{name: a, slack: {channel: C12}}]}", "either the url of an incoming webhook, or"),
        ("{routes: [{to: [nobody]}]}", "'nobody', which is no target"),
        ("{routes: [{to: [a], kinds: [gate-opend]}]}", "Did you mean gate-opened?"),
        (
            "{slack: [{id: a, secrets: [{env: A}], people: [{user: U1A, identity: vera}]}]}",
            "local:, oidc: or",
        ),
        ("{targets: [{name: a, webhook: {url: 'ftp://x', secret: {env: A}}}]}", "not an http(s) address"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, text, wrong):
    assert wrong in refusal(tmp_path, f"notify: {text}")
