"""Counts in words."""

from app.domain.counts import among, every


def test_one_pod_is_never_called_all_pods():
    assert [every(n) for n in (1, 4, 1200)] == ["its one pod", "all 4 pods", "all 1,200 pods"]
    assert [among(*n) for n in ((0, 1), (1, 1), (2, 4))] == ["0 of 1 pod", "its one pod", "2 of 4 pods"]
    assert every(1, "run") == "its one run"
