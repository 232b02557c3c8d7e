"""What is wrong with settings, said so that it can be mended: where, which key, what, and what is right."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake. `where` is "file:line:column", a variable or an option; `key` is as "clusters[0].name"."""

    where: str
    key: str
    what: str
    example: str = ""

    def __str__(self) -> str:
        head = f"{self.where}: {self.key}: {self.what}" if self.key else f"{self.where}: {self.what}"
        return f"{head}\n    for example:  {self.example}" if self.example else head


class SettingsRefused(Exception):
    """The settings cannot be used; `problems` has every mistake found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


def suggestion(word: str, known: Iterable[str]) -> str:
    """Which of `known` was meant, or the list of what is known when nothing is near."""
    words = sorted(known)
    near = get_close_matches(word, words, n=1, cutoff=0.6)
    return f"Did you mean {near[0]}?" if near else f"Known here: {', '.join(words)}."
