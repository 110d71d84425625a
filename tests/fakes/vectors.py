"""Deterministic unit vectors for texts, cheap enough that the fake is never what a test waits for.

A vector is the sum of two parts: a hash of the whole text, so that each text has a vector of
its own and every value is an ordinary number, and the signed hashes of its words, long ones
counting more, so that texts which share words lie close and a search test can ask a sensible
question. About 0.2 milliseconds for 3072 values. float32, little endian, as on the wire.
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

HASH_LENGTH, WORD_LENGTH = 0.4, 0.9
PIECE = 4  # values per byte of hash; dimensions are multiples of it
WORD = re.compile(r"\w{3,}")
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


def word_values(text, dimension):
    """{place: value} of length WORD_LENGTH, empty without words."""
    counts = {}
    for word in WORD.findall(text.lower()):
        counts[word] = counts.get(word, 0) + 1
    places = {}
    for word, count in counts.items():
        code = zlib.crc32(word.encode("utf-8", "surrogatepass"))
        weight = (min(len(word), 10) - 2) * math.sqrt(count)
        places[code % dimension] = places.get(code % dimension, 0.0) + (
            weight if code & 0x80000000 else -weight
        )
    length = math.sqrt(sum(value * value for value in places.values()))
    return (
        {place: value * WORD_LENGTH / length for place, value in places.items()} if length else {}
    )


@functools.lru_cache(maxsize=4096)
def vector(text, dimension):
    """The bytes of `dimension` float32 values of length 1."""
    blocks = pieces(HASH_LENGTH**2 * PIECE / dimension)
    digest = hashlib.shake_128(text.encode("utf-8", "surrogatepass")).digest(dimension // PIECE)
    values = floats(b"".join([blocks[byte] for byte in digest]))
    square = HASH_LENGTH**2
    for place, value in word_values(text, dimension).items():
        square += value * (value + 2 * values[place])
        values[place] += value
    scale = 1 / math.sqrt(square)
    return array.array("f", [value * scale for value in values]).tobytes()


def key(data):
    """Identifies a vector by its exact bits."""
    return hashlib.blake2b(data, digest_size=16).digest()


def floats(data):
    values = array.array("f")
    values.frombytes(data)
    return values


def dot(one, two):
    return sum(map(operator.mul, one, two))
