"""Passwords of local accounts: what a new one must be, and whether one holds (Argon2id, RFC 9106)."""

from __future__ import annotations

import asyncio

from pwdlib import PasswordHash
from pwdlib.exceptions import UnknownHashError
from pwdlib.hashers.argon2 import Argon2Hasher

LEAST, MOST = 12, 1024
"""Characters of a password. With twelve, few of those that people choose most are possible at all; `_COMMON` has
those."""
_COMMON = frozenset(
    [
        "123456789012",
        "1234567890123",
        "12345678910111",
        "123123123123",
        "121212121212",
        "111111111111",
        "000000000000",
        "1q2w3e4r5t6y",
        "1qaz2wsx3edc",
        "qazwsxedcrfv",
        "zaq12wsxcde3",
        "q1w2e3r4t5y6",
        "qwertyuiop12",
        "qwertyuiop123",
        "qwerty123456",
        "qwertyqwerty",
        "asdfghjkl123",
        "asdfasdfasdf",
        "abcdefghijkl",
        "abcd1234abcd",
        "abc123abc123",
        "password1234",
        "password12345",
        "password123456",
        "passwordpassword",
        "passw0rd1234",
        "p@ssw0rd1234",
        "administrator",
        "admin1234567",
        "adminadminadmin",
        "administrator1",
        "changemenow1",
        "changeme1234",
        "changemechangeme",
        "letmeinletmein",
        "letmein12345",
        "welcome12345",
        "welcome123456",
        "iloveyou1234",
        "iloveyouiloveyou",
        "unbelievable",
        "thisisapassword",
        "mypassword123",
        "secretsecret",
        "secretpassword",
        "correcthorsebatterystaple",
        "trustno1trustno1",
        "dragondragon",
        "monkeymonkey",
        "footballfootball",
        "superman1234",
        "sunshine1234",
        "princess1234",
        "shipboard123",
        "shipboard1234",
        "kubernetes123",
    ]
)


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
    if (
        plain in _COMMON
        or len(set(plain)) < 5
        or plain.strip("0123456789!?.") in {"password", "shipboard", "admin"}
    ):
        raise ValueError("This password is among the first that anybody would try.")
    if len(name) > 3 and name.lower() in plain:
        raise ValueError("A password does not hold the name it belongs to.")
