"""What befalls any file: flipped, lost, doubled and foreign bytes."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

NASTY = (0, 1, 2, 7, 8, 15, 16, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF)
NASTY += (0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
Damage = Callable[[bytearray, Random], bytearray]


def nasty(rng: Random, size: int, order: str) -> bytes:
    """A number of `size` bytes at which programs stumble; order: 'little' or 'big'."""
    value = rng.choice([*NASTY, rng.getrandbits(8 * size)])
    return (value & ((1 << 8 * size) - 1)).to_bytes(size, order)  # type: ignore[arg-type]


def place(data: bytearray, rng: Random) -> int:
    """Anywhere, but more often where headers are."""
    top = len(data) if rng.random() < 0.5 else min(len(data), 1500)
    return rng.randrange(max(1, top))


def flip(data: bytearray, rng: Random) -> bytearray:
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        if data:
            data[place(data, rng)] ^= 1 << rng.randrange(8)
    return data


def overwrite(data: bytearray, rng: Random) -> bytearray:
    at = place(data, rng)
    piece = nasty(rng, rng.choice((1, 2, 4, 8)), rng.choice(("little", "big")))
    data[at : at + len(piece)] = piece
    return data


def truncate(data: bytearray, rng: Random) -> bytearray:
    keep = rng.randrange(len(data)) if rng.random() < 0.7 else len(data) - rng.randint(1, 64)
    return data[: max(0, keep)]


def insert(data: bytearray, rng: Random) -> bytearray:
    at = place(data, rng)
    fill = rng.choice((b"\0", b"\xff", b"A", rng.randbytes(1)))
    data[at:at] = (
        rng.randbytes(rng.randint(1, 16)) if rng.random() < 0.5 else fill * rng.randint(1, 999)
    )
    return data


def delete(data: bytearray, rng: Random) -> bytearray:
    at = place(data, rng)
    del data[at : at + rng.choice((1, 2, 3, 4, 8, 100))]
    return data


def repeat(data: bytearray, rng: Random) -> bytearray:
    at, size = place(data, rng), rng.choice((4, 12, 60, 500))
    data[at:at] = data[at : at + size] * rng.randint(1, 4)
    return data


def swap(data: bytearray, rng: Random) -> bytearray:
    """Two stretches of the same length change places."""
    size = rng.choice((1, 2, 4, 12, 64))
    a, b = sorted((place(data, rng), place(data, rng)))
    if a + size <= b:
        data[a : a + size], data[b : b + size] = data[b : b + size], data[a : a + size]
    return data


def spliced(data: bytearray, other: bytes, rng: Random) -> bytearray:
    """The head of one file and the tail of another, or a piece of it put in."""
    at, of = place(data, rng), rng.randrange(max(1, len(other)))
    if rng.random() < 0.5:
        return data[:at] + other[of:]
    return data[:at] + other[of : of + rng.randint(1, 400)] + data[at:]


GENERAL: tuple[Damage, ...] = (
    flip,
    flip,
    overwrite,
    overwrite,
    truncate,
    insert,
    delete,
    repeat,
    swap,
)
