"""Formats by small examples, and hostile files: everything is read, or refused in plain words."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.domain.artifacts import AliasKind, Trust
from app.domain.packages import MAX_PACKAGES
from app.domain.reports import Attestation, Bill, CaseResult, ScanReport, Severity, TestReport
from app.sources import reports
from app.sources.reports.reading import MAX_BYTES, MAX_DEPTH, MAX_MESSAGE

DIGEST, CONFIG, SHA = "sha256:" + "a" * 64, "sha256:" + "c" * 64, "b" * 40


def cases_of(kind: str, body: str | bytes) -> TestReport:
    _, found = reports.read(kind, body.encode() if isinstance(body, str) else body)
    assert isinstance(found, TestReport)
    return found


def scan_of(kind: str, tree: object) -> ScanReport:
    _, found = reports.read(kind, json.dumps(tree).encode())
    assert isinstance(found, ScanReport)
    return found


def tried(kind: str, body: bytes) -> str:
    """Why it is refused, or that it was read."""
    try:
        reports.read(kind, body)
    except reports.Refused as refused:
        return str(refused)
    return "It was read."


def why(kind: str, body: bytes) -> str:
    with pytest.raises(reports.Refused) as refused:
        reports.read(kind, body)
    return str(refused.value)


def results(found: TestReport) -> list[str]:
    return [case.result.value for case in found.cases]


def test_junit_case_is_the_first_of_error_failure_and_skipped():
    found = cases_of(
        "junit",
        """<testsuites><testsuite name="unit" tests="99">
        <testcase classname="unit.Cart" name="adds" time="1,000.5"/>
        <testcase classname="unit.Cart" name="pays"><failure message="no money">at cart.py:7</failure>
          <error message="and broke"/></testcase>
        <testcase classname="unit.Cart" name="waits"><skipped/></testcase>
        <testsuite name="inner"><testcase name="deep"><failure>only text</failure></testcase></testsuite>
        </testsuite></testsuites>""",
    )
    assert results(found) == ["passed", "error", "skipped", "failed"]
    assert (found.cases[1].suite, found.cases[1].message) == ("unit.Cart", "and broke")
    assert (found.cases[3].suite, found.cases[3].message) == ("unit › inner", "only text")
    assert found.seconds == 1000.5


def test_junit_suite_that_broke_is_an_error_of_its_own():
    body = "<testsuite name='s'><testcase name='a'/><error message='no class'>at X</error></testsuite>"
    found = cases_of("junit", body)
    assert [(c.suite, c.name, c.result.value) for c in found.cases][1:] == [
        ("s", "the suite itself", "error")
    ]


def test_junit_keeps_the_text_where_the_message_is_only_its_beginning():
    case = '<testcase name="x"><failure message="{}">{}</failure></testcase>'
    body = (
        "<testsuite>" + case.format("E 1", "E 1\nat a.py:3") + case.format("other", "trace") + "</testsuite>"
    )
    assert [c.message for c in cases_of("junit", body).cases] == ["E 1\nat a.py:3", "other"]


def test_junit_flaky_is_a_case_that_passed_when_tried_again():
    found = cases_of(
        "junit",
        """<testsuite name="s">
        <testcase name="surefire"><flakyFailure message="once">trace</flakyFailure></testcase>
        <testcase name="lost"><failure message="a"/><rerunFailure message="b"/></testcase>
        <testcase name="again"><failure message="a"/></testcase><testcase name="again"/>
        <testcase name="turned"/><testcase name="turned"><failure message="a"/></testcase>
        </testsuite>""",
    )
    assert [case.name for case in found.cases if case.flaky] == ["surefire", "again"]
    assert found.count(CaseResult.FAILED) == 3


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "empty"),
        (b"PK\x03\x04 a zip", "not XML"),
        (b"<testsuite><testcase name='x'>", "no whole XML document"),
        (b"<html/>", "root is <html>"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><testsuite/>', "document type"),
        (b'<!DOCTYPE x SYSTEM "http://example.org/x.dtd"><testsuite/>', "document type"),
        (b'<?xml version="1.0" encoding="utf-7"?><testsuite/>', "XML"),
        (b"<testsuite>&unknown;</testsuite>", "no whole XML document"),
        (b"<testsuite>" * 200_000, f"deeper than {MAX_DEPTH}"),
        (b"<testsuite>" + b"<testcase/>" * 100_001 + b"</testsuite>", "more than 100000 test cases"),
        (
            b"<testsuite " + b" ".join(b"a%d='1'" % n for n in range(300_000)) + b"/>",
            "a tag or comment longer than 2 MiB",
        ),
        (b" " * (MAX_BYTES + 1), "larger than"),
    ],
)
def test_junit_refuses_in_plain_words(body, said):
    assert said in why("junit", body)


def test_billion_laughs_are_refused_before_any_is_told():
    entities = b"".join(b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10) for n in range(1, 10))
    bomb = (
        b'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY l0 "ha">' + entities + b"]><testsuite>&l9;</testsuite>"
    )
    assert "document type" in why("junit", bomb)
    assert "document type" in why("cyclonedx", bomb)


def test_message_is_cut_and_has_no_control_characters():
    body = f'<testsuite><testcase name="x"><failure>{"é" * 500_000}\t</failure></testcase></testsuite>'
    (case,) = cases_of("junit", body).cases
    assert len(case.message) == MAX_MESSAGE
    assert case.message.isprintable()


def test_utf_16_reports_are_read():
    body = "<?xml version='1.0' encoding='utf-16'?><testsuite><testcase name='ü'/></testsuite>".encode(
        "utf-16"
    )
    assert cases_of("junit", body).cases[0].name == "ü"


@pytest.mark.parametrize(
    ("body", "want"),
    [
        ("1..3\nok 1 - a\nnot ok 2 - b\nok 3 - c # SKIP later", ["passed", "failed", "skipped"]),
        ("TAP version 13\nok\nnot ok # TODO one day\n1..2", ["passed", "skipped"]),
        ("1..3\nok 1\n", ["passed", "error", "error"]),
        ("1..1\nok 1\nok 2\n", ["passed", "passed", "error"]),
        ("1..2\nok 1\nBail out! no database\n", ["passed", "error"]),
        ("1..0 # SKIP no browser\n", ["skipped"]),
        ("# Subtest: s\n    ok 1 - x\n    not ok 2 - y\n    1..2\nnot ok 1 - s\n1..1", ["passed", "failed"]),
        ("1..1\nok 1 - s {\n    1..2\n    ok 1\n    ok 2\n}\n", ["passed", "passed"]),
        ("1..1\nnot ok 1 - s {\n    1..1\n    ok 1\n}\n", None),
    ],
)
def test_tap_counts_leaves_plans_and_directives(body, want):
    found = cases_of("tap", body)
    assert want is None or results(found) == want


def test_tap_diagnostics_explain_the_failure_before_them():
    found = cases_of("tap", "not ok 1 - rounds\n  ---\n  message: 1.01 is not 1\n  ...\nok 2\n1..2\n")
    assert (found.cases[0].name, found.cases[0].message) == ("rounds", "message: 1.01 is not 1")


def test_tap_of_too_many_lines_is_refused():
    assert "lines" in why("tap", b"1..1\nok\n" + b"#\n" * 2_000_001)


def test_long_texts_are_read():
    long = b"x" * (5 << 20)
    body = b"<testsuite><system-out><![CDATA[" + long + b"]]></system-out><testcase name='a'>"
    found = cases_of("junit", body + b"<failure>" + long + b"</failure></testcase></testsuite>")
    assert len(found.cases[0].message) == MAX_MESSAGE


@pytest.mark.parametrize("body", [b"ok 1\nok 2\n", b"hello\n", b"\x00\x01", b"\xff\xfe\xfd"])
def test_tap_without_a_plan_is_refused(body):
    assert why("tap", body).startswith("It ")


def test_ctrf_tells_commit_and_flaky():
    tree = {
        "reportFormat": "CTRF",
        "results": {
            "tool": {"name": "jest"},
            "tests": [
                {"name": "a", "status": "passed", "duration": 1500, "flaky": True, "suite": ["s", "t"]},
                {"name": "b", "status": "failed", "duration": 1, "trace": "at b.js:1"},
            ],
            "environment": {"commit": SHA, "repositoryUrl": "https://u:p@github.com/Acme/Cart.git"},
        },
    }
    found = cases_of("auto", json.dumps(tree))
    assert (found.sha, found.repo, found.tool) == (SHA, "github.com/acme/cart", "jest")
    assert [(c.suite, c.flaky, c.message) for c in found.cases] == [
        ("s › t", True, ""),
        ("", False, "at b.js:1"),
    ]


def sarif(**run: object) -> dict[str, object]:
    rules = [
        {"id": "A", "properties": {"security-severity": "9.1"}},
        {"id": "B", "defaultConfiguration": {"level": "error"}},
    ]
    return {"version": "2.1.0", "runs": [{"tool": {"driver": {"name": "t", "rules": rules}}, **run}]}


def test_sarif_severity_is_the_rules_number_else_a_level():
    given_ = [
        ({"ruleId": "A"}, Severity.CRITICAL),
        ({"ruleIndex": 1}, Severity.HIGH),
        ({"ruleId": "B", "level": "note"}, Severity.LOW),
        ({"ruleId": "C"}, Severity.MEDIUM),
        ({"ruleId": "C", "kind": "pass"}, Severity.INFO),
    ]
    found = scan_of("sarif", sarif(results=[result for result, _ in given_]))
    assert [finding.severity for finding in found.findings] == [severity for _, severity in given_]
    assert found.failed == ""


def test_sarif_suppressed_results_are_counted_apart():
    told = [
        {"ruleId": "B", "suppressions": [{"kind": "external", "status": status}]}
        for status in ("accepted", "rejected")
    ]
    found = scan_of("sarif", sarif(results=told))
    assert (len(found.findings), found.suppressed) == (1, 1)


@pytest.mark.parametrize(
    "tree",
    [
        sarif(),
        sarif(results=None),
        sarif(results=[], invocations=[{"executionSuccessful": False}]),
        {"version": "2.1.0", "runs": None},
    ],
)
def test_sarif_of_a_tool_that_failed_is_no_clean_scan(tree):
    assert scan_of("sarif", tree).failed


def test_sarif_of_another_version_is_refused():
    assert "2.1 is what is read" in why("sarif", b'{"version": "2.0.0", "runs": []}')


def test_trivy_links_an_image_with_its_digests_and_its_label():
    labels = {"org.opencontainers.image.revision": SHA, "org.opencontainers.image.source": "https://h/r"}
    tree = {
        "SchemaVersion": 2,
        "ArtifactName": "h/r:1",
        "Metadata": {
            "ImageID": CONFIG,
            "RepoDigests": [f"h/r@{DIGEST}"],
            "RepoTags": ["h/r:1"],
            "ImageConfig": {"config": {"Labels": labels}},
        },
        "Results": [
            {
                "Target": "os",
                "Vulnerabilities": [
                    {"VulnerabilityID": "CVE-1", "Severity": "HIGH", "PkgName": "p", "FixedVersion": "2"}
                ],
                "Misconfigurations": [{"ID": "D1", "Severity": "LOW", "Status": "PASS"}],
                "Secrets": [{"RuleID": "aws", "Severity": "CRITICAL", "StartLine": 3}],
            }
        ],
    }
    found = scan_of("auto", tree)
    assert [(f.rule, f.severity, f.place, f.fixed_in) for f in found.findings] == [
        ("CVE-1", Severity.HIGH, "p", "2"),
        ("aws", Severity.CRITICAL, "os:3", ""),
    ]
    (alias,), (link,) = found.image.aliases, found.image.links
    assert (found.image.digest, alias.digest, alias.kind) == (DIGEST, CONFIG, AliasKind.CONFIG)
    assert (link.sha, link.repo, link.trust) == (SHA, "h/r", Trust.LABEL)


@pytest.mark.parametrize("body", [b"null", b'{"SchemaVersion": 2, "ArtifactName": "x"}', b"[]"])
def test_trivy_without_results_is_clean(body):
    _, found = reports.read("trivy", body)
    assert isinstance(found, ScanReport)
    assert not found.findings


def packages_of(body: object) -> list[tuple[str, str, str, str]]:
    _, found = reports.read("auto", body if isinstance(body, bytes) else json.dumps(body).encode())
    assert isinstance(found, Bill)
    assert found.components >= len(found.packages) + found.left_out
    return [(one.name, one.version, one.licence, one.purl) for one in found.packages]


LOG4J = ("org.apache/log4j", "2.14.1", "Apache-2.0", "pkg:maven/org.apache/log4j@2.14.1")
CYCLONE = {
    "bomFormat": "CycloneDX",
    "components": [
        {"type": "file", "name": "/etc/passwd"},
        {
            "type": "library",
            "group": "org.apache",
            "name": "log4j",
            "version": "2.14.1",
            "purl": LOG4J[3],
            "licenses": [{"license": {"id": "Apache-2.0"}}],
            "components": [{"name": "inner", "licenses": [{"expression": "MIT OR Zlib"}, 7, {"license": 1}]}],
        },
        {"name": "inner", "licenses": [{"expression": "MIT OR Zlib"}]},
        {"name": ["evil"], "version": {}},
    ],
}
CYCLONE_XML = b"""<bom xmlns="http://cyclonedx.org/schema/bom/1.6"><metadata><component type="container">
<name>cart</name><licenses><expression>X</expression></licenses></component></metadata><components>
<component type="file"><name>/etc/passwd</name></component>
<component type="library"><group>org.apache</group><name>log4j</name><version>2.14.1</version>
<licenses><license><id>Apache-2.0</id></license></licenses><purl>pkg:maven/org.apache/log4j@2.14.1</purl>
<components><component><name>inner</name><licenses><expression>MIT OR Zlib</expression></licenses></component>
</components></component></components></bom>"""
SPDX = {
    "spdxVersion": "SPDX-2.3",
    "packages": [
        {
            "name": "org.apache/log4j",
            "versionInfo": "2.14.1",
            "licenseConcluded": "NOASSERTION",
            "licenseDeclared": "Apache-2.0",
            "externalRefs": [{"referenceType": "purl", "referenceLocator": LOG4J[3]}, None],
        },
        {"name": "inner", "licenseConcluded": "MIT OR Zlib", "licenseDeclared": "X"},
        {"versionInfo": "1"},
    ],
}
SPDX_TAGS = b"""SPDXVersion: SPDX-2.3
DocumentName: cart
PackageName: org.apache/log4j
PackageVersion: 2.14.1
PackageLicenseConcluded: NOASSERTION
PackageLicenseDeclared: Apache-2.0
ExternalRef: SECURITY cpe23Type cpe:2.3:a:purl of nothing
ExternalRef: PACKAGE-MANAGER purl pkg:maven/org.apache/log4j@2.14.1
PackageName: inner
PackageLicenseConcluded: MIT OR Zlib
FileName: ./x
PackageVersion: 9
"""
SPDX_GRAPH = {
    "@context": "https://spdx.org/rdf/3.0.1/spdx-context.jsonld",
    "@graph": [
        {
            "type": "software_Package",
            "spdxId": "p",
            "name": "org.apache/log4j",
            "software_packageVersion": "2.14.1",
            "software_packageUrl": LOG4J[3],
        },
        {"type": "software_Package", "spdxId": "q", "name": "inner"},
        *(
            {"type": "Relationship", "from": of, "relationshipType": f"has{kind}License", "to": [to]}
            for of, kind, to in (("p", "Declared", "a"), ("q", "Concluded", "m"), ("q", "Declared", "a"))
        ),
        {"spdxId": "a", "simplelicensing_licenseExpression": "Apache-2.0"},
        {"spdxId": "m", "simplelicensing_licenseExpression": "MIT OR Zlib"},
    ],
}


@pytest.mark.parametrize("body", [CYCLONE, CYCLONE_XML, SPDX, SPDX_TAGS, SPDX_GRAPH])
def test_packages_are_listed_with_version_licence_and_address_whatever_the_format(body):
    assert packages_of(body) == [("inner", "", "MIT OR Zlib", ""), LOG4J]


def test_packages_beyond_the_limit_are_counted_as_left_out_and_hostile_names_are_cut():
    many = [{"name": f"n{n}"} for n in range(MAX_PACKAGES + 7)]
    _, found = reports.read("cyclonedx", json.dumps({"bomFormat": "CycloneDX", "components": many}).encode())
    assert isinstance(found, Bill)
    assert (len(found.packages), found.left_out, found.components) == (MAX_PACKAGES, 7, MAX_PACKAGES + 7)
    evil = {"name": "a\x00\u202e" + "x" * 9999, "version": "\x1b[2J"}
    ((name, version, *_),) = packages_of({"bomFormat": "CycloneDX", "components": [evil]})
    assert name.isprintable()
    assert len(name) <= 300
    assert version == " [2J"


def test_provenance_names_the_commit_of_its_subjects():
    predicate = {
        "builder": {"id": "https://ci.example.org"},
        "invocation": {
            "configSource": {"uri": "git+https://github.com/a/b@refs/heads/main", "digest": {"sha1": SHA}}
        },
    }
    tree = {
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [{"name": "i", "digest": {"sha256": "a" * 64}}],
        "predicate": predicate,
    }
    _, found = reports.read("auto", json.dumps(tree).encode())
    assert isinstance(found, Attestation)
    assert (found.proof.value, found.subjects, found.repo, found.sha) == (
        "claimed",
        (DIGEST,),
        "github.com/a/b",
        SHA,
    )
    assert [link.trust for link in found.image.links] == [Trust.PROVENANCE]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"[" * 100_000, "deeper"),
        (b'{"a":' * 250 + b"1" + b"}" * 250, "deeper"),
        (b"[" + b"0," * 2_000_001 + b"0]", "more than"),
        (b'{"runs": [', "no whole JSON"),
        (b'{"a": "\xff"}', "UTF-8"),
        (b"{}", "not SARIF"),
    ],
)
def test_json_bombs_and_halves_are_refused(body, said):
    assert said in why("sarif", body)


NAMES = [
    *("runs", "version", "results", "tests", "tool", "name", "status", "matches", "vulnerability", "Results"),
    *("Metadata", "RepoDigests", "bomFormat", "components", "metadata", "component", "ratings", "driver"),
    *("vulnerabilities", "spdxVersion", "packages", "subject", "digest", "predicate", "_type", "payload"),
    *("payloadType", "mediaType", "rules", "locations", "report", "kind", "apiVersion", "level", "severity"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=6), inner, max_size=6)
    ),
    max_leaves=30,
)
SHELLS = (
    lambda inner: inner,
    lambda inner: {"version": "2.1.0", "runs": [inner]},
    lambda inner: {"version": "2.1.0", "runs": [{"results": [inner], "tool": inner}]},
    lambda inner: {"ArtifactName": "x", "Metadata": inner, "Results": [inner]},
    lambda inner: {"matches": [inner], "source": {"target": inner}},
    lambda inner: {
        "bomFormat": "CycloneDX",
        "metadata": inner,
        "vulnerabilities": [inner],
        "components": [inner],
    },
    lambda inner: {"spdxVersion": "SPDX-2.3", "packages": [inner], "relationships": [inner]},
    lambda inner: {"reportFormat": "CTRF", "results": inner},
    lambda inner: {"_type": "https://in-toto.io/Statement/v1", "subject": [inner], "predicate": inner},
)


@settings(max_examples=250)
@given(st.sampled_from(SHELLS), JSON)
def test_json_of_any_shape_is_read_or_refused(shell, inner):
    body = json.dumps(shell(inner)).encode()
    for kind in (*reports.FORMATS, reports.AUTO):
        assert tried(kind, body).endswith(".")


LINES = st.sampled_from(
    ["1..2", "1..0 # skip", "ok", "not ok 2 - x", "ok 1 - s {", "}", "    ok 1 - y", "    1..1", "  ---", "  ...",
     "# Subtest: s", "        not ok # TODO", "Bail out!", "", "    # Subtest: t", "ok # SKIP", "pragma +strict"]
)  # fmt: skip


@settings(max_examples=300)
@given(st.lists(LINES, max_size=14))
@example(["ok 1 - s {", "ok 1 - s {", "}", "}", "}", "1..1"])
def test_tap_of_any_lines_is_read_or_refused(lines):
    assert tried("tap", "\n".join(lines).encode()).endswith(".")


@settings(max_examples=200)
@given(st.binary(max_size=200))
def test_bytes_of_any_sort_are_read_or_refused(body):
    for kind in (*reports.FORMATS, reports.AUTO):
        assert tried(kind, body).endswith(".")
