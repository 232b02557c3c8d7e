"""Passwords of local accounts: what a new one must be, and whether one holds (Argon2id, RFC 9106)."""

from __future__ import annotations

import asyncio

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

LEAST, MOST = 12, 1024
"""Characters of a password."""
GUESSES = 10**8
"""Guesses that a password has to withstand of somebody who knows what people choose."""
_JUDGED = 72
"""Characters that are judged, at either end: what is added makes a password no weaker."""
_OURS = ("shipboard", "kubernetes", "k8s", "deployment", "argocd", "helm")


class Passwords:
    """Hashes and compares, two at a time, whoever asks: each takes 64 MiB and a core. `hasher` is another one than
    RFC 9106's for tests of what lies around it."""

    def __init__(self, hasher: Argon2Hasher | None = None) -> None:
        self._hash = PasswordHash((hasher or Argon2Hasher(),))
        self._two = asyncio.Semaphore(2)
        self._nobodys = ""

    def hashed(self, password: str) -> str:
        """The hash to store. Blocks for some 0.1 s."""
        return self._hash.hash(password)

    async def holds(self, password: str, stored: str | None) -> bool:
        """Whether `password` is the one of `stored`; takes as long when there is none (None)."""
        if len(password) > MOST:
            password, stored = password[:MOST], None
        async with self._two:
            return await asyncio.to_thread(self._compare, password, stored)

    def _compare(self, password: str, stored: str | None) -> bool:
        # A hash that takes as long to compare with as anybody's.
        self._nobodys = self._nobodys or self._hash.hash("nobody has this password")
        try:
            return self._hash.verify(password, stored or self._nobodys) and stored is not None
        except UnknownHashError:
            self._hash.verify(password, self._nobodys)
            return False


def check_new(password: str, name: str) -> None:
    """Raise ValueError, saying why, if `password` must not be the one of `name`."""
    plain = password.lower()
    if len(password) < LEAST:
        raise ValueError(f"A password has at least {LEAST} characters; a few words are easy to keep in mind.")
    if len(password) > MOST:
        raise ValueError(f"A password has at most {MOST} characters.")
    if _guesses(password, name) < GUESSES:
        raise ValueError("This password is among the first that anybody would try.")
    if len(name) > 3 and name.lower() in plain:
        raise ValueError("A password does not hold the name it belongs to.")


def _guesses(password: str, name: str) -> float:
    """How many tries somebody needs who goes by the 30,000 passwords people choose most, words, names, dates, keyboard
    paths, repetitions and letters written as digits (Wheeler, "zxcvbn", USENIX Security 2016)."""
    # Its lists take 15 MB, and only who sets a password needs them.
    from zxcvbn import zxcvbn

    ends = {password[:_JUDGED], password[-_JUDGED:]}
    return max(float(zxcvbn(end, user_inputs=[name, *_OURS])["guesses"]) for end in ends)
