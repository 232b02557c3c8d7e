"""A job's stage is told by its name."""

import pytest

from app.domain.jobs import JobRule, JobStage, stage_of


@pytest.mark.parametrize(
    ("name", "group", "stage"),
    [
        ("build", "", JobStage.BUILD),
        ("docker-image", "", JobStage.BUILD),
        ("Lint (ruff)", "", JobStage.LINT),
        ("unit tests (3.11)", "", JobStage.UNIT),
        ("test", "", JobStage.UNIT),
        ("integration-tests", "", JobStage.INTEGRATION),
        ("e2e (chromium)", "", JobStage.INTEGRATION),
        ("security_scan", "", JobStage.SECURITY),
        ("trivy", "", JobStage.SECURITY),
        ("deploy to production", "", JobStage.DEPLOY),
        ("rspec 0 20", "test", JobStage.UNIT),
        ("rubocop", "lint", JobStage.LINT),
        ("staging", "deploy", JobStage.DEPLOY),
        ("latest", "", JobStage.OTHER),
        ("rebuilder", "", JobStage.OTHER),
        ("", "", JobStage.OTHER),
    ],
)
def test_stage_is_told_by_the_words_of_the_name_else_of_the_group(name, group, stage) -> None:
    assert stage_of(name, group) is stage


def test_configured_pattern_comes_first() -> None:
    assert stage_of("Build it", "", [JobRule("build*", JobStage.UNIT)]) is JobStage.UNIT
