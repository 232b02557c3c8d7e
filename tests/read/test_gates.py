"""What a gate shows of a version."""

import pytest

from app.read.gate_evidence import images

OLD, NEW = "sha256:" + "a" * 64, "sha256:" + "b" * 64


@pytest.mark.parametrize(
    ("before", "after", "digests", "how"),
    [
        ("cart:1", "cart:2", {}, "changed"),
        ("cart:1", "cart:2", {"cart:1": OLD, "cart:2": NEW}, "changed"),
        ("cart:1", "cart:2", {"cart:1": OLD, "cart:2": OLD}, "unchanged"),
        ("cart:1", "cart:1", {}, "unchanged"),
        ("", "cart:2", {"cart:2": NEW}, "new"),
        ("cart:1", "", {}, "removed"),
    ],
)
def test_image_changes_by_its_digest_where_that_is_known(before, after, digests, how):
    (line,) = images([before] if before else [], [after] if after else [], digests)
    assert (line.how, line.before_digest, line.after_digest) == (
        how,
        digests.get(before, ""),
        digests.get(after, ""),
    )
