"""The files that the jobs of the demo's CI leave behind, as the tools of their names write them: JUnit of tests, SARIF
of a linter, Trivy of an image, a CycloneDX bill and SLSA provenance of what was built. From a build's state. Pure.

Provenance is an in-toto statement; whoever calls signs it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from app.demo.ci_payloads import OWNER, Build, digest, number

Obj = dict[str, Any]
File = tuple[str, bytes]
"""Kind of a report, and its bytes."""
FLAKY = {
    "search-indexer": "test_reindex_goes_on_after_a_lost_connection",
    "checkout-api": "test_two_tabs_pay_once",
    "notifications": "test_receipt_is_sent_within_a_second",
}
"""Tests that fail now and then, and pass when tried again."""
WEAK = {"invoicing": 1, "shipping-rates": 0}
"""Services whose image has a weakness as bad as can be, and one with one less bad."""
_AREAS = ("api", "totals", "limits", "retries", "storage", "events", "tenants", "rights")
_WHAT = (
    "test_answers_what_was_asked",
    "test_rounds_half_up",
    "test_refuses_more_than_the_limit",
    "test_tries_again_after_a_refusal",
    "test_keeps_the_order",
    "test_survives_a_restart",
    "test_is_empty_at_first",
    "test_names_the_tenant",
    "test_tells_why_it_refused",
    "test_counts_each_once",
)
_SAYS = (
    "AssertionError: assert Decimal('10.00') == Decimal('10.01')\n  the line is 3 x 3.335, rounded once",
    "TimeoutError: no answer from rates:8080 within 5.0 s",
    "KeyError: 'tenant'\n  in the log line of a refused order",
    "AssertionError: assert 409 == 201\n  the same key was used by an order before",
)
_BASE = (
    ("libc6", "2.36-9+deb12u9", "LGPL-2.1-or-later"),
    ("libssl3", "3.0.15-1~deb12u1", "Apache-2.0"),
    ("zlib1g", "1:1.2.13.dfsg-1", "Zlib"),
    ("libexpat1", "2.5.0-1", "MIT"),
    ("perl-base", "5.36.0-7", "Artistic-1.0-Perl OR GPL-1.0-or-later"),
    ("ca-certificates", "20230311", "GPL-2.0-or-later AND MPL-2.0"),
)
_PYTHON = (
    ("uvicorn", "0.32.1", "BSD-3-Clause"),
    ("pydantic", "2.10.2", "MIT"),
    ("httpx", "0.28.0", "BSD-3-Clause"),
    ("anyio", "4.6.2", "MIT"),
    ("certifi", "2024.8.30", "MPL-2.0"),
)
_JAVA = (
    ("org.springframework", "spring-core", "6.2.0", "Apache-2.0"),
    ("com.fasterxml.jackson.core", "jackson-databind", "2.18.1", "Apache-2.0"),
    ("org.postgresql", "postgresql", "42.7.4", "BSD-2-Clause"),
)
LOGS = {"invoicing": "2.14.1", "search-index": "2.24.1", "tax-rates": "2.24.1"}
"""Services in Java, with the version of log4j-core in their image."""


def files(
    build: Build, job: str, sign: Callable[[str, bytes], bytes] = lambda _, said: said
) -> tuple[File, ...]:
    """What a job leaves behind when it has ended; those of one build come in one upload. `sign` makes of a service's
    statement what is uploaded."""
    match job:
        case "lint":
            return (("sarif", _sarif(build)),)
        case "unit tests":
            return (("junit", _junit(build, job, 60 + number(build.service, 180))),)
        case "integration tests":
            return (("junit", _junit(build, job, 18 + number(build.service, 24))),)
        case "build image" if build.branch == "main":
            return (("cyclonedx", _bill(build)), ("attestation", sign(build.service, _provenance(build))))
        case "security scan" if build.branch == "main":
            return (("trivy", _trivy(build)),)
    return ()


def _junit(build: Build, job: str, count: int) -> bytes:
    offset = number(build.service + job, count)
    bad = {(offset + 7 * n) % count for n in range(build.bad)} if build.fails == job else set()
    kind = "unit" if job == "unit tests" else "integration"
    cases = []
    for n in range(count):
        area, name = _AREAS[n % len(_AREAS)], _WHAT[n // len(_AREAS) % len(_WHAT)]
        turn = n // (len(_AREAS) * len(_WHAT))
        name = f"{name}[{turn}]" if turn else name
        took = 0.01 + number(f"{name} {build.sha}", 200) / 1000
        says = _SAYS[number(name, len(_SAYS))]
        inside = f"<failure message={quoteattr(says.partition(chr(10))[0])}>{escape(says)}</failure>"
        cases.append(_case(f"tests.{kind}.test_{area}", name, took, inside if n in bad else ""))
    if job == "integration tests" and (wavering := FLAKY.get(build.service)):
        again = '<flakyFailure message="TimeoutError: nothing came within 1.0 s"/>'
        wavers = number(f"{build.sha} wavers", 5) < 3
        cases.append(_case("tests.integration.test_all", wavering, 1.4, again if wavers else ""))
    head = f'<testsuites><testsuite name="{kind}" tests="{len(cases)}" failures="{len(bad)}">'
    return f'<?xml version="1.0"?>{head}{"".join(cases)}</testsuite></testsuites>'.encode()


def _case(suite: str, name: str, took: float, inside: str) -> str:
    return f'<testcase classname="{suite}" name={quoteattr(name)} time="{took:.3f}">{inside}</testcase>'


def _sarif(build: Build) -> bytes:
    rules = (
        ("C901", "is too complex"),
        ("S113", "a request without a timeout"),
        ("PLR0913", "many arguments"),
    )
    count = 2 if build.fails == "lint" else number(build.service + "lint", 3)
    results = [
        {
            "ruleId": rule,
            "level": "error" if build.fails == "lint" else "note",
            "message": {"text": f"{rule}: {text}"},
            "locations": [
                {
                    "physicalLocation": {
                        "artifactLocation": {"uri": f"src/{_AREAS[n]}.py"},
                        "region": {"startLine": 10 + number(build.service + rule, 200)},
                    }
                }
            ],
        }
        for n, (rule, text) in enumerate(rules[:count])
    ]
    tool = {"driver": {"name": "ruff", "version": "0.8.0", "rules": [{"id": rule} for rule, _ in rules]}}
    return _json({"version": "2.1.0", "runs": [{"tool": tool, "results": results}]})


def _trivy(build: Build) -> bytes:
    weak = [("CVE-2024-45490", "MEDIUM", "libexpat1", "2.5.0-1", "2.5.0-1+deb12u1", "an integer overflow")]
    weak += [("CVE-2024-2236", "LOW", "libgcrypt20", "1.10.1-3", "", "a timing difference")]
    weak = weak[: number(build.service + "scan", 3)]
    if (worst := WEAK.get(build.service)) is not None:
        weak.append(
            ("CVE-2024-56406", "HIGH", "perl-base", "5.36.0-7", "5.36.0-7+deb12u2", "a heap overflow")
        )
        if worst:
            weak.append(
                ("CVE-2024-3094", "CRITICAL", "liblzma5", "5.6.0-0.2", "5.6.1+really5.4.5", "a back door")
            )
    found = [
        {
            "VulnerabilityID": name,
            "Severity": severity,
            "PkgName": package,
            "InstalledVersion": version,
            "FixedVersion": fixed,
            "Title": f"{package}: {title}",
        }
        for name, severity, package, version, fixed, title in weak
    ]
    about = {"RepoTags": [build.image], "RepoDigests": [f"{build.image.partition(':')[0]}@{build.digest}"]}
    results = [{"Target": f"{build.image} (debian 12.8)", "Class": "os-pkgs", "Vulnerabilities": found}]
    return _json(
        {
            "SchemaVersion": 2,
            "Trivy": {"Version": "0.58.0"},
            "ArtifactName": build.image,
            "ArtifactType": "container_image",
            "Metadata": about,
            "Results": results,
        }
    )


def _bill(build: Build) -> bytes:
    name, _, tag = build.image.partition(":")
    purl = f"pkg:oci/{build.service}@{build.digest}"
    about = {"type": "container", "name": name, "version": tag, "purl": purl}
    return _json(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "metadata": {"component": about},
            "components": list(_components(build)),
        }
    )


def _components(build: Build) -> Iterator[Obj]:
    for name, version, licence in _BASE:
        yield _component(f"pkg:deb/debian/{name}@{version}?arch=amd64", "", name, version, licence)
    if log4j := LOGS.get(build.service):
        for group, name, version, licence in (
            *_JAVA,
            ("org.apache.logging.log4j", "log4j-core", log4j, "Apache-2.0"),
        ):
            yield _component(f"pkg:maven/{group}/{name}@{version}", group, name, version, licence)
    else:
        for name, version, licence in _PYTHON:
            yield _component(f"pkg:pypi/{name}@{version}", "", name, version, licence)
    for area in _AREAS:
        own = f"{build.service}-{area}"
        yield _component(f"pkg:generic/{OWNER}/{own}@{build.version}", OWNER, own, build.version, "")
    for n in range(60 + number(build.service + "parts", 240)):
        name = f"lib{digest(f'part {(number(build.service, 40) + n) % 320}')[7:13]}"
        version = f"{number(name, 9)}.{number(name + 'm', 20)}.0"
        yield _component(f"pkg:deb/debian/{name}@{version}?arch=amd64", "", name, version, "MIT")


def _component(purl: str, group: str, name: str, version: str, licence: str) -> Obj:
    told = [{"expression": licence}] if " " in licence else [{"license": {"id": licence}}] if licence else []
    found = {"type": "library", "name": name, "version": version, "purl": purl, "licenses": told}
    return {**found, "group": group} if group else found


def _provenance(build: Build) -> bytes:
    source = f"https://github.com/{OWNER}/{build.service}"
    workflow = {"repository": source, "path": ".github/workflows/ci.yaml", "ref": "refs/heads/main"}
    sources = [{"uri": f"git+{source}@refs/heads/main", "digest": {"gitCommit": build.sha}}]
    return _json(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": build.image.partition(":")[0], "digest": {"sha256": build.digest[7:]}}],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {
                "buildDefinition": {
                    "buildType": "https://actions.github.io/buildtypes/workflow/v1",
                    "externalParameters": {"workflow": workflow},
                    "resolvedDependencies": sources,
                },
                "runDetails": {"builder": {"id": f"{source}/.github/workflows/ci.yaml@refs/heads/main"}},
            },
        }
    )


def _json(tree: Obj) -> bytes:
    return json.dumps(tree, separators=(",", ":")).encode()
