"""Passwords: hashed with argon2id, a bounded number at a time, as slowly for nobody as for a user.

One hash takes 64 MiB and some 50 ms of a core: who waits too long in a row is told to come back.
"""

import asyncio
from functools import lru_cache
from typing import TYPE_CHECKING

from models.slots import Slots

if TYPE_CHECKING:
    from argon2 import PasswordHasher

_AT_ONCE = 2
_MOST_WAITING = 32

# Of 32 random bytes that nobody kept, made by the hasher below.
NOBODY = (
    "$argon2id$v=19$m=65536,t=3,p=4$V2EsFbceYFmqvHSGzBhqQQ$"
    "o7dfKrX800G61ebKtwGQ8nGLueotKmLMg+whrj5eW7k"
)


@lru_cache(maxsize=1)
def _hasher() -> "PasswordHasher":
    from argon2 import PasswordHasher  # noqa: PLC0415 most gateways are never logged in to

    return PasswordHasher()


def hash_password(password: str) -> str:
    """What is kept of a password."""
    return _hasher().hash(password)


class Passwords:
    """Compares passwords in threads, `_AT_ONCE` at the same time."""

    def __init__(self, *, most: int = _MOST_WAITING) -> None:
        self._slots = Slots(most)
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def match(self, password: str, password_hash: str | None) -> bool:
        """Whether a password is the one that was hashed. None, for nobody's, takes as long.

        Raises Overloaded.
        """
        with self._slots.taken():
            async with self._turns:
                matches = await asyncio.to_thread(_matches, password, password_hash or NOBODY)
        return matches and password_hash is not None


def _matches(password: str, password_hash: str) -> bool:
    from argon2.exceptions import VerificationError  # noqa: PLC0415 as above

    try:
        return _hasher().verify(password_hash, password)
    except VerificationError:
        return False
