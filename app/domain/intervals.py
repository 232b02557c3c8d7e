"""Medians, shares and rates with their 95 % intervals: exact for few rows, by approximations that then agree for many,
and unknown, never 0, for none. Pure; nothing is drawn at random, so that the same rows give the same bytes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import comb, exp, lgamma, log, log1p, sqrt
from statistics import median

CONFIDENCE = 0.95
_Z = 1.959964
EXACT = 400
"""Most rows of which an interval is worked out exactly."""
_FEW = 100


@dataclass(frozen=True, slots=True)
class Figure:
    """A number with what it is worth: `value` None for unknown, `low` to `high` the 95 % interval (None where it
    has no end within what was seen), from `n` rows; `of` is what they were counted among; `open`: rows that are
    not over yet."""

    value: float | None
    low: float | None
    high: float | None
    n: int
    of: int = 0
    open: int = 0


UNKNOWN = Figure(None, None, None, 0)


def middle(values: Sequence[float], open_: int = 0) -> Figure:
    """The median (mean of the two middle ones for an even number) with its distribution-free interval from order
    statistics. `open_` rows are not over yet: longer than any that is, so they stand at the upper end (censored),
    and a median among them has no value."""
    ordered = sorted(values)
    return _middle(len(ordered), lambda rank: ordered[rank - 1], open_)


def middle_of(rows: Sequence[Sequence[int]], open_: int = 0) -> Figure:
    """`middle`, in seconds, of microseconds that stand in several rows, each ascending: the same figure as of all of
    them in one, without putting them there."""
    return _middle(sum(map(len, rows)), lambda rank: ranked(rows, rank) / 1_000_000, open_)


def ranked(rows: Sequence[Sequence[int]], rank: int) -> int:
    """The whole number of a rank (from 1) among all that stand in `rows`, each ascending; there must be so many. Halves
    the range of what it may be, so it costs by the rows and hardly by how long they are."""
    if len(rows) == 1:
        return rows[0][rank - 1]
    live = [(row, 0, len(row)) for row in rows if row]
    low, high = min(row[0] for row, _, _ in live), max(row[-1] for row, _, _ in live)
    while low < high and sum(end - start for _, start, end in live) > _FEW:
        half = (low + high) // 2
        cuts = [bisect_right(row, half, start, end) for row, start, end in live]
        below = sum(cut - start for cut, (_, start, _) in zip(cuts, live, strict=True))
        if below >= rank:
            high = half
            live = [(row, start, cut) for cut, (row, start, _) in zip(cuts, live, strict=True) if cut > start]
        else:
            low, rank = half + 1, rank - below
            live = [(row, cut, end) for cut, (row, _, end) in zip(cuts, live, strict=True) if end > cut]
    if low == high:
        return low
    return sorted(value for row, start, end in live for value in row[start:end])[rank - 1]


def _middle(closed: int, at: Callable[[int], float], open_: int) -> Figure:
    n = closed + open_
    if not n:
        return UNKNOWN
    low, high = _ranks(n)
    value = median([at((n + 1) // 2), at(n // 2 + 1)]) if n // 2 + 1 <= closed else None
    return Figure(
        value,
        at(low) if 0 < low <= closed else None,
        at(high) if 0 < high <= closed else None,
        n,
        open=open_,
    )


@lru_cache(4096)
def _ranks(n: int) -> tuple[int, int]:
    """Ranks (from 1) of the order statistics that hold the median with at least 95 %; (0, 0) for fewer than six rows,
    with which there are none. Exact up to 200 rows, by the normal approximation above."""
    if n > 200:
        spread = _Z * sqrt(n) / 2
        low = int(n / 2 - spread)
        return max(1, low), min(n, n + 1 - max(1, low))
    tail, low = 0.0, 0
    while True:
        tail += comb(n, low) / 2**n
        if 2 * tail > 1 - CONFIDENCE:
            break
        low += 1
    return (low, n + 1 - low) if low else (0, 0)


@lru_cache(4096)
def share(hits: int, of: int) -> Figure:
    """A share with its exact interval (Clopper and Pearson 1934): 1 in 4 is 25 %, 0.6 to 80.6 %. Of more than `EXACT`
    rows that of Wilson (1927), which then differs by less than half a percent and costs nothing."""
    if not of:
        return UNKNOWN
    if of > EXACT:
        p, spread = hits / of, _Z * _Z / of
        around = _Z * sqrt(p * (1 - p) / of + spread / (4 * of))
        low, high = (p + spread / 2 - around) / (1 + spread), (p + spread / 2 + around) / (1 + spread)
        return Figure(p, max(0.0, min(low, p)), min(1.0, max(high, p)), hits, of)
    tail = (1 - CONFIDENCE) / 2
    low = 0.0 if not hits else _root(lambda p: 1 - _below(hits - 1, of, p), tail)
    high = 1.0 if hits == of else _root(lambda p: 1 - _below(hits, of, p), 1 - tail)
    return Figure(hits / of, low, high, hits, of)


@lru_cache(4096)
def rate(hits: int, days: float) -> Figure:
    """Events a day with the exact interval of a Poisson rate (Garwood 1936); of more than `EXACT` events by the
    approximation of Wilson and Hilferty (1931)."""
    if days <= 0:
        return UNKNOWN
    if hits > EXACT:
        low = hits * (1 - 1 / (9 * hits) - _Z / (3 * sqrt(hits))) ** 3
        more = hits + 1
        high = more * (1 - 1 / (9 * more) + _Z / (3 * sqrt(more))) ** 3
        return Figure(hits / days, low / days, high / days, hits)
    tail = (1 - CONFIDENCE) / 2
    ceiling = hits + 10 * sqrt(hits + 1) + 10
    low = 0.0 if not hits else _root(lambda u: 1 - _poisson(hits - 1, u * ceiling), tail) * ceiling
    high = _root(lambda u: 1 - _poisson(hits, u * ceiling), 1 - tail) * ceiling
    return Figure(hits / days, low / days, high / days, hits)


def _below(k: int, n: int, p: float) -> float:
    """P(X <= k) of a binomial."""
    if p <= 0:
        return 1.0
    if p >= 1:
        return 1.0 if k >= n else 0.0
    whole = lgamma(n + 1)
    return sum(
        exp(whole - lgamma(i + 1) - lgamma(n - i + 1) + i * log(p) + (n - i) * log1p(-p))
        for i in range(k + 1)
    )


def _poisson(k: int, mean: float) -> float:
    """P(X <= k) of a Poisson."""
    if mean <= 0:
        return 1.0
    return sum(exp(i * log(mean) - mean - lgamma(i + 1)) for i in range(k + 1))


def _root(rises: Callable[[float], float], goal: float) -> float:
    """Where a function that rises on [0, 1] reaches `goal`, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(44):
        mid = (low + high) / 2
        low, high = (mid, high) if rises(mid) < goal else (low, mid)
    return (low + high) / 2
