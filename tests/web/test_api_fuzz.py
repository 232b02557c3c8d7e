"""The API against what its own documentation allows, and what it does not: never a 5xx, always what is
documented."""

import asyncio

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Err
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.web.site import look, site, sources

pytestmark = pytest.mark.anyio
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
MODES = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]


def attack(url: str) -> int:
    """Call every operation with generated parameters; how many calls were made."""
    calls = 0
    schema = schemathesis.openapi.from_url(f"{url}/api/v1/openapi.json")
    for found in schema.get_all_operations():
        assert not isinstance(found, Err)
        operation = found.ok()
        for mode in MODES[: 2 if list(operation.query) else 1]:  # what takes no parameter takes no wrong one

            @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
            @hypothesis.settings(max_examples=25, suppress_health_check=list(hypothesis.HealthCheck))
            def call(case) -> None:
                nonlocal calls
                calls += 1
                case.call_and_validate(base_url=url, checks=CHECKS)

            call()
    return calls


async def test_api_keeps_to_its_documentation(tmp_path):
    async with site(tmp_path, [*sources(), *(look(f"svc-{i}") for i in range(5))]) as here:
        assert await asyncio.to_thread(attack, here.url) > 100
