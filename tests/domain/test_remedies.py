"""Every way to be stuck or hollow has its next step."""

import pytest

from app.domain.remedies import remedy
from app.domain.rollout import CautionKind
from app.engines.trouble import ORDER


@pytest.mark.parametrize("category", sorted({*ORDER} - {"create"}))
def test_problem_has_a_next_step(category: str) -> None:
    assert remedy(category).endswith(".")


@pytest.mark.parametrize("kind", sorted({*CautionKind} - {CautionKind.NO_REPLICAS}))
def test_caution_has_a_next_step(kind: CautionKind) -> None:
    assert remedy(kind).endswith(".")


def test_nothing_is_said_of_what_is_not_known() -> None:
    assert remedy("create") == remedy("of another version") == remedy(CautionKind.NO_REPLICAS) == ""
