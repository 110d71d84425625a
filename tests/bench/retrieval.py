#!/usr/bin/env python3
"""How well chunks serve retrieval, without an embedding call: our cuts beside those of others.

    retrieval.py [--smoke]    (smoke: the defaults, beside few others)

Data: the five texts and 472 questions, with the passages that answer them, of Chroma's chunking
evaluation (corpus/chunking/chroma). Two figures for each way of cutting:

- omega (PrecisionOmega): the characters of the passages that answer a question, as a share of all
  characters of the chunks that touch one. It depends on the cuts alone: how little else comes along.
- R@1500: the share of the passages' characters that BM25 brings back within 1,500 tokens.

Both are means over the questions, in percent. Ours must beat the recursive splitter's omega at equal
mean size, and reach the floors below. Exit code 1 when a figure is missed.
"""

import collections
import csv
import json
import math
import os
import re
import subprocess
import sys

SOURCE = os.environ.get("TEST_SOURCE_DIR", os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = os.environ.get("TEST_BUILD_DIR", os.path.join(SOURCE, "build", "bench"))
CORPUS = os.environ.get("TEST_CORPUS", os.path.join(SOURCE, "..", "shared", "corpus"))
CHROMA = os.path.join(CORPUS, "chunking", "chroma")
TOKENS_MAX = 1500
K1, B = 1.5, 0.75

# method, tokens, min, max, overlap
DEFAULTS = ("ours", 300, 100, 512, 0)
OTHERS = [
    ("fixed", 800, 0, 0, 400),
    ("fixed", 400, 0, 0, 0),
    ("fixed", 200, 0, 0, 0),
    ("recursive", 800, 0, 0, 400),
    ("recursive", 400, 0, 0, 200),
    ("recursive", 400, 0, 0, 0),
    ("recursive", 320, 0, 0, 0),
    ("recursive", 200, 0, 0, 0),
    ("recursive", 160, 0, 0, 0),
    ("recursive", 600, 0, 0, 0),
]
OURS = [
    ("ours", 120, 40, 300, 0),
    ("ours", 150, 50, 400, 0),
    ("ours", 200, 66, 400, 0),
    ("ours", 250, 83, 512, 0),
    DEFAULTS,
    ("ours", 300, 100, 512, 60),
]
# omega at a mean size of at most so many tokens (research: 10 % above the recursive splitter)
FLOORS = [(160, 32.0), (240, 22.0), (335, 16.0)]
RECALL_FLOOR = 92.0  # of the defaults


def skip(why):
    print(f"SKIPPED: {why}")
    sys.exit(77)


def load():
    """{corpus: text}, [(question, corpus, [(start, end)])]: places are characters."""
    path = os.path.join(CHROMA, "questions_df.csv")
    if not os.path.exists(path):
        skip(f"{path} is not there")
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    questions = []
    for row in rows:
        references = [(r["start_index"], r["end_index"]) for r in json.loads(row["references"])]
        questions.append((row["question"], row["corpus_id"], references))
    texts = {}
    for name in sorted({corpus for _, corpus, _ in questions}):
        with open(corpus_path(name), encoding="utf-8", newline="") as file:
            texts[name] = file.read()
    return texts, questions


def corpus_path(name):
    return os.path.join(CHROMA, "corpora", name + ".md")


class Chunk:
    __slots__ = ("corpus", "start", "end", "tokens", "words")

    def __init__(self, corpus, start, end, tokens, words):
        self.corpus, self.start, self.end, self.tokens, self.words = corpus, start, end, tokens, words


def words_of(text):
    return re.findall(r"\w+", text.lower())


def cut(program, setting, texts):
    chunks = []
    for name, text in texts.items():
        method, *numbers = setting
        output = subprocess.run(
            [program, method, *map(str, numbers), corpus_path(name)], check=True, capture_output=True, text=True
        ).stdout
        places = char_places(text)
        for line in output.splitlines():
            start, end, tokens = map(int, line.split())
            start, end = places[start], places[end]
            chunks.append(Chunk(name, start, end, tokens, collections.Counter(words_of(text[start:end]))))
    return chunks


def char_places(text):
    """{byte: character} of each character's start, and of the end."""
    places, at = {}, 0
    for i, c in enumerate(text):
        places[at] = i
        at += len(c.encode())
    places[at] = len(text)
    return places


# ---- omega ---------------------------------------------------------------------------------------


def union(ranges):
    merged = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1][1] = max(merged[-1][1], end)
        else:
            merged.append([start, end])
    return merged


def length(ranges):
    return sum(end - start for start, end in union(ranges))


def omega_of(chunks, references):
    """As the evaluation defines it: what merely touches counts, and what no chunk has is missed."""
    found, touched = [], []
    for chunk in chunks:
        parts = [(max(chunk.start, s), min(chunk.end, e)) for s, e in references]
        parts = [(s, e) for s, e in parts if s <= e]
        if parts:
            found += parts
            touched.append((chunk.start, chunk.end))
    return length(found) / length(touched + references) if found else 0.0


# ---- recall --------------------------------------------------------------------------------------


class Index:
    """BM25 over the chunks of one text."""

    def __init__(self, chunks):
        self.chunks = chunks
        self.postings = collections.defaultdict(list)
        self.sizes = [sum(chunk.words.values()) for chunk in chunks]
        self.mean = sum(self.sizes) / len(chunks)
        for i, chunk in enumerate(chunks):
            for word, count in chunk.words.items():
                self.postings[word].append((i, count))

    def best(self, question):
        scores = collections.defaultdict(float)
        for word in words_of(question):
            postings = self.postings.get(word, ())
            idf = math.log(1 + (len(self.chunks) - len(postings) + 0.5) / (len(postings) + 0.5))
            for i, count in postings:
                norm = K1 * (1 - B + B * self.sizes[i] / self.mean)
                scores[i] += idf * count * (K1 + 1) / (count + norm)
        return [self.chunks[i] for i in sorted(scores, key=lambda i: (-scores[i], i))]


def recall_of(ranking, references):
    """Of the chunks in order, while they fit the budget."""
    used, found = 0, []
    for chunk in ranking:
        if used + chunk.tokens > TOKENS_MAX:
            break
        used += chunk.tokens
        parts = [(max(chunk.start, s), min(chunk.end, e)) for s, e in references]
        found += [(s, e) for s, e in parts if s < e]
    return length(found) / length(references)


# ---- the table -----------------------------------------------------------------------------------


def measure(program, setting, texts, questions):
    chunks = cut(program, setting, texts)
    by_corpus = collections.defaultdict(list)
    for chunk in chunks:
        by_corpus[chunk.corpus].append(chunk)
    indexes = {corpus: Index(chunks) for corpus, chunks in by_corpus.items()}
    omega = sum(omega_of(by_corpus[corpus], references) for _, corpus, references in questions)
    recall = sum(recall_of(indexes[corpus].best(q), references) for q, corpus, references in questions)
    sizes = sorted(chunk.tokens for chunk in chunks)
    return {
        "setting": setting,
        "chunks": len(chunks),
        "mean": sum(sizes) / len(sizes),
        "p5": sizes[len(sizes) // 20],
        "p95": sizes[len(sizes) * 19 // 20],
        "omega": 100 * omega / len(questions),
        "recall": 100 * recall / len(questions),
    }


def name_of(setting):
    method, tokens, low, high, overlap = setting
    sizes = f"{tokens}/{overlap}" if method != "ours" else f"{low}-{tokens}-{high}/{overlap}"
    return f"{method} {sizes}" + ("  (defaults)" if setting == DEFAULTS else "")


def show(row):
    print(
        f"{name_of(row['setting']):34}{row['chunks']:7}{row['mean']:7.0f}{row['p5']:6}{row['p95']:6}"
        f"{row['omega']:8.1f}{row['recall']:8.1f}",
        flush=True,
    )


def recursive_at(rows, mean):
    """The recursive splitter's omega at a mean size, between its neighbours without overlap."""
    points = sorted((r["mean"], r["omega"]) for r in rows if r["setting"][0] == "recursive" and r["setting"][4] == 0)
    for (x0, y0), (x1, y1) in zip(points, points[1:]):
        if x0 <= mean <= x1:
            return y0 + (y1 - y0) * (mean - x0) / (x1 - x0)
    return None


def judge(rows):
    failures = []
    ours = [r for r in rows if r["setting"][0] == "ours" and r["setting"][4] == 0]
    for mean, floor in FLOORS:
        best = max((r["omega"] for r in ours if r["mean"] <= mean), default=None)
        if best is not None and best < floor:
            failures.append(f"omega {best:.1f} at a mean of at most {mean} tokens, wanted {floor}")
    for row in ours:
        other = recursive_at(rows, row["mean"])
        if other is not None:
            print(f"{name_of(row['setting'])}: {row['omega']:.1f}, recursive at equal mean {other:.1f}")
            if row["omega"] < other:
                failures.append(f"{name_of(row['setting'])} is below the recursive splitter")
        if row["setting"] == DEFAULTS and row["recall"] < RECALL_FLOOR:
            failures.append(f"R@{TOKENS_MAX} {row['recall']:.1f} by default, wanted {RECALL_FLOOR}")
    return failures


def main():
    is_smoke = "--smoke" in sys.argv
    texts, questions = load()
    program = os.path.join(BUILD, "bin", "cut_texts")
    few = [("recursive", 400, 0, 0, 0), ("recursive", 600, 0, 0, 0), DEFAULTS]
    settings = few if is_smoke else OTHERS + OURS
    print(f"{'':34}{'chunks':>7}{'mean':>7}{'p5':>6}{'p95':>6}{'omega':>8}{'R@1500':>8}")
    rows = []
    for setting in settings:
        rows.append(measure(program, setting, texts, questions))
        show(rows[-1])
    failures = judge(rows)
    for failure in failures:
        print(f"MISSED: {failure}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
