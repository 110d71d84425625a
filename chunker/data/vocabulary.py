"""cl100k_base as pairs: vocabulary.py make RANKS OUT, or vocabulary.py expand PAIRS OUT.

RANKS is the file that the reference implementation pins: one `base64 rank` in a line. Each of its
tokens longer than a byte comes out of exactly two tokens of lower rank, so that the whole table is
the order of the 256 bytes and, for each further rank, two numbers of 17 bits, lowest bit first.
`expand` writes RANKS again, byte for byte.
"""

import base64
import hashlib
import sys

RANKS_SHA256 = "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7"
TOKEN_COUNT = 100256
BYTE_TOKENS = 256
RANK_BITS = 17


def fail(why):
    sys.exit(f"vocabulary.py: {why}")


def check(ranks_text):
    found = hashlib.sha256(ranks_text).hexdigest()
    if found != RANKS_SHA256:
        fail(f"the ranks' SHA-256 is {found}, not {RANKS_SHA256}")


def parts_of(token, rank, ranks):
    """The two tokens that byte pair encoding, before it knows this rank, leaves of the bytes."""
    parts = [token[i : i + 1] for i in range(len(token))]
    while len(parts) > 2:
        found = [ranks.get(parts[i] + parts[i + 1], rank) for i in range(len(parts) - 1)]
        lowest = min(found)
        if lowest >= rank:
            fail(f"rank {rank} is no pair")
        at = found.index(lowest)
        parts[at : at + 2] = [parts[at] + parts[at + 1]]
    return ranks[parts[0]], ranks[parts[1]]


def make(ranks_text):
    check(ranks_text)
    tokens = [base64.b64decode(line.split()[0]) for line in ranks_text.splitlines()]
    ranks = {token: rank for rank, token in enumerate(tokens)}
    if len(tokens) != TOKEN_COUNT or any(len(token) != 1 for token in tokens[:BYTE_TOKENS]):
        fail("the ranks do not begin with the bytes")
    packed = 0
    bits = bytearray()
    waiting = 0
    for rank in range(BYTE_TOKENS, TOKEN_COUNT):
        for part in parts_of(tokens[rank], rank, ranks):
            packed |= part << waiting
            waiting += RANK_BITS
            while waiting >= 8:
                bits.append(packed & 0xFF)
                packed >>= 8
                waiting -= 8
    if waiting:
        bits.append(packed)
    return b"".join(tokens[:BYTE_TOKENS]) + bytes(bits)


def expand(pairs):
    tokens = [pairs[i : i + 1] for i in range(BYTE_TOKENS)]
    packed = pairs[BYTE_TOKENS:]
    mask = (1 << RANK_BITS) - 1
    for rank in range(BYTE_TOKENS, TOKEN_COUNT):
        first_bit = (rank - BYTE_TOKENS) * 2 * RANK_BITS
        window = int.from_bytes(packed[first_bit // 8 : first_bit // 8 + 6], "little")
        window >>= first_bit % 8
        tokens.append(tokens[window & mask] + tokens[window >> RANK_BITS & mask])
    lines = [f"{base64.b64encode(token).decode()} {rank}\n" for rank, token in enumerate(tokens)]
    ranks_text = "".join(lines).encode()
    check(ranks_text)
    return ranks_text


def main():
    verbs = {"make": make, "expand": expand}
    if len(sys.argv) != 4 or sys.argv[1] not in verbs:
        fail("usage: vocabulary.py make|expand IN OUT")
    with open(sys.argv[2], "rb") as file:
        result = verbs[sys.argv[1]](file.read())
    with open(sys.argv[3], "wb") as file:
        file.write(result)


main()
