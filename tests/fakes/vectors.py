"""Deterministic unit vectors for texts, cheap enough that the fake is never what a test waits for.

Three quarters of a vector come from a hash of the whole text, so that each text has a vector of its own; the last quarter holds
the signed hashes of its words, so that texts which share words lie close and a search test can ask a sensible question.
About 60 microseconds for 3072 values. float32, little endian, as on the wire.
"""
import array
import functools
import hashlib
import math
import operator
import random
import re
import sys
import zlib

HASH_ENERGY, WORD_ENERGY = 0.3, 0.7
PIECE = 4  # values per byte of hash
WORD = re.compile(r"\w+")
assert sys.byteorder == "little", "vectors are written as the machine holds them"


@functools.lru_cache(maxsize=8)
def pieces(scale_squared):
    """256 blocks of PIECE values, each of the same length, so that any sequence of them has a known length."""
    source, blocks = random.Random(3072), []
    for _ in range(256):
        values = [source.gauss(0, 1) for _ in range(PIECE)]
        scale = math.sqrt(scale_squared / sum(value * value for value in values))
        blocks.append(array.array("f", [value * scale for value in values]).tobytes())
    return blocks


def word_values(text, width, energy):
    counts = {}
    for word in WORD.findall(text.lower()):
        code = zlib.crc32(word.encode())
        place = code % width
        counts[place] = counts.get(place, 0.0) + (1.0 if code & 0x80000000 else -1.0)
    length = math.sqrt(sum(count * count for count in counts.values()))
    values = array.array("f", bytes(4 * width))
    if length == 0:
        values[0], length = math.sqrt(energy), 1.0
        return values.tobytes()
    for place, count in counts.items():
        values[place] = count * math.sqrt(energy) / length
    return values.tobytes()


@functools.lru_cache(maxsize=4096)
def vector(text, dimension):
    """The bytes of `dimension` float32 values of length 1. The dimension is at least 2."""
    hashed = dimension * 3 // 4 // PIECE * PIECE
    parts = []
    if hashed:
        blocks = pieces(HASH_ENERGY * PIECE / hashed)
        digest = hashlib.shake_128(text.encode("utf-8", "surrogatepass")).digest(hashed // PIECE)
        parts = [blocks[byte] for byte in digest]
    parts.append(word_values(text, dimension - hashed, WORD_ENERGY if hashed else 1.0))
    return b"".join(parts)


def key(data):
    """Identifies a vector by its exact bits."""
    return hashlib.blake2b(data, digest_size=16).digest()


def floats(data):
    values = array.array("f")
    values.frombytes(data)
    return values


def dot(one, two):
    return sum(map(operator.mul, one, two))
