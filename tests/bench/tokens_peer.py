"""One peer on one text: python tokens_peer.py PEER TEXT OUR_IDS WORK; a line of JSON.

Runs in the peers' own virtual environment. WORK keeps the vocabulary in the forms they want.
"""

import array
import json
import pathlib
import sys
import time

SECONDS_MIN = 1.0
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
DATA = pathlib.Path(__file__).resolve().parents[2] / "chunker/data"


def read_pairs():
    """All tokens in the order of their ranks, and the two parts of each but the bytes."""
    data = (DATA / "cl100k_base.pairs").read_bytes()
    tokens, parts = [data[i : i + 1] for i in range(256)], []
    for at in range((len(data) - 256) * 8 // 34):
        word = int.from_bytes(data[256 + at * 34 // 8 :][:6], "little") >> at * 34 % 8
        parts.append((word & 0x1FFFF, word >> 17 & 0x1FFFF))
        tokens.append(tokens[parts[-1][0]] + tokens[parts[-1][1]])
    return tokens, parts


def printable_bytes():
    """The characters that stand for bytes in a Hugging Face vocabulary."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in plain]
    return {byte: chr(byte) for byte in plain} | {byte: chr(256 + i) for i, byte in enumerate(others)}


def hugging_face_json(path):
    tokens, parts = read_pairs()
    names = printable_bytes()
    spelled = ["".join(names[byte] for byte in token) for token in tokens]
    split = {"type": "Split", "pattern": {"Regex": PATTERN}, "behavior": "Removed", "invert": True}
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    model = {
        "type": "BPE",
        "vocab": {name: rank for rank, name in enumerate(spelled)},
        "merges": [f"{spelled[left]} {spelled[right]}" for left, right in parts],
    }
    tokenizer = {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, level]},
        "decoder": level,
        "model": model,
    }
    path.write_text(json.dumps(tokenizer))


def open_tiktoken(_):
    import tiktoken

    ranks = {token: rank for rank, token in enumerate(read_pairs()[0])}
    encoding = tiktoken.Encoding("cl100k", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens={})
    return encoding.encode_ordinary, encoding.encode_ordinary


def open_rs_bpe(_):
    from rs_bpe import openai

    encoding = openai.cl100k_base()
    return encoding.encode, encoding.count


def open_tokie(work):
    import tokie

    path = work / "tokenizer.json"
    if not path.exists():
        hugging_face_json(path)
    tokenizer = tokie.Tokenizer.from_json(str(path))
    return lambda text: tokenizer.encode(text, add_special_tokens=False).ids, tokenizer.count_tokens


def best_seconds(count, text):
    best, start = float("inf"), time.process_time()
    while best == float("inf") or time.process_time() - start < SECONDS_MIN:
        before = time.process_time()
        count(text)
        best = min(best, time.process_time() - before)
    return best


def main():
    peer, text_path, ids_path, work = sys.argv[1:]
    opened = {"tiktoken": open_tiktoken, "rs_bpe": open_rs_bpe, "tokie": open_tokie}[peer]
    encode, count = opened(pathlib.Path(work))
    data = pathlib.Path(text_path).read_bytes()
    text = data.decode()
    is_exact = array.array("I", encode(text)).tobytes() == pathlib.Path(ids_path).read_bytes()
    mb_s = len(data) / 1e6 / best_seconds(count, text) if is_exact else 0
    print(json.dumps({"peer": peer, "is_exact": is_exact, "mb_s": mb_s}))


main()
