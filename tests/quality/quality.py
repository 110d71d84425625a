"""How good the text of real PDFs is, beside pdftotext in the same run: `./run quality`.

Each set has a gate, and the program ends with 1 when one is missed.
  columns   in reading order; measured against the order of the content stream
  no loss   every PDF of the corpus: putting lines in order loses and makes no character
  no harm   every PDF of the corpus: no page in one column comes out worse than poppler orders it
  right     pages written from the right keep all their letters
  cjk       so do Chinese, Japanese and Korean ones, without spaces where lines were joined
  truth     a book against text corrected by hand
--smoke takes one file in so many, and a part of the book.
"""

import os
import re
import subprocess
import sys
import unicodedata
from collections import Counter
from pathlib import Path

SOURCE = Path(__file__).resolve().parents[2]
CORPUS = Path(os.environ.get("TEST_CORPUS", SOURCE.parent / "shared" / "corpus"))
BUILD = Path(os.environ.get("TEST_BUILD_DIR", SOURCE / "build" / "dev"))
PAGES = BUILD / "bin" / "quality_pages"
SECONDS = 30
PAGE_CHARS = 6000  # of a page are compared: the work is their square

COLUMNS = [
    "pdfbox/0b9fb9_PDFBOX-5809-509329.pdf",
    "pdfjs/40d9c7_bug1992868.pdf",
    "format-corpus/024640_lorem-ipsum.pdf",
    "format-corpus/a5375d_lorem-ipsum-plus-image.pdf",
]
COLUMNS_MIN = 0.97
HARM_MAX = 0.003
LETTERS_MIN = 0.97  # of those that pdftotext finds; lost: upside down, and from the right
LETTERS_COUNT = 8  # fewer on a file are no writing; there are few files of these scripts
WORDS_COUNT = 2
WORDS_MIN = 0.9
TRUTH_MIN = 0.94
BOOK = ("sample-files/495e02_GeoTopo-komprimiert.pdf", "GeoTopo-book.txt")
SMOKE_STEP = 25
SMOKE_ALSO = ["sample-files/*habibi.pdf", "pdfjs/110b03*", "pdfjs/014f59*", "pdfbox/*bidi-ligature*",
              "pdfjs/d69dd5*", "pdfjs/66e828*"]
SMOKE_CHARS = 15000

RIGHT = re.compile("[\u0590-\u08ff]")
CJK = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
MARKS = re.compile("[\u200e\u200f\u202a-\u202e\ufeff]")


def run(*command):
    try:
        done = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return 124, []
    return done.returncode, done.stdout.decode("utf8", "replace").split("\f")[:-1]


def stage(name, path, pages_max=10):
    return run(PAGES, name, path, str(pages_max))


def pdftotext(path, pages_max=10, *options):
    return run("pdftotext", "-q", *options, "-enc", "UTF-8", "-l", str(pages_max), path, "-")[1]


def bare(text):
    return re.sub(r"\s", "", MARKS.sub("", text))


def likeness(pages, others):
    """The mean over pages that have something to say."""
    ratios = [
        Levenshtein.ratio(bare(page)[:PAGE_CHARS], bare(other)[:PAGE_CHARS])
        for page, other in zip(pages, others)
        if len(bare(other)) >= 200
    ]
    return sum(ratios) / len(ratios) if ratios else None


def letters(pages, pattern):
    """poppler's program gives the shapes of Arabic letters, we the letters: NFKC makes them alike."""
    return Counter(pattern.findall(unicodedata.normalize("NFKC", "".join(pages))))


def kept(pages, others, pattern):
    """The share of the others' letters that is there, in whatever order."""
    wanted = letters(others, pattern)
    total = sum(wanted.values())
    return sum((wanted & letters(pages, pattern)).values()) / total if total >= LETTERS_COUNT else None


class Table:
    def __init__(self):
        self.is_good = True

    def row(self, what, ours, theirs, is_good, note=""):
        self.is_good = self.is_good and is_good
        show = lambda figure: "-" if figure is None else f"{figure:.3f}"
        print(f"{what:44} {show(ours):>8} {show(theirs):>10}  {'ok' if is_good else 'MISSED'}  {note}",
              flush=True)


def compare_columns(table):
    ours, theirs = [], []
    for name in COLUMNS:
        path = CORPUS / "pdf" / name
        content = pdftotext(path, 10, "-raw")
        ours.append(likeness(stage("ordered", path)[1], content))
        theirs.append(likeness(pdftotext(path), content))
        table.row(f"columns  {name.split('/')[1][:33]}", ours[-1], theirs[-1], True)
    mean = sum(ours) / len(ours)
    table.row("columns  mean", mean, sum(theirs) / len(theirs), mean >= COLUMNS_MIN, f">= {COLUMNS_MIN}")


def sweep(table, files):
    lost, harmed, worst, scripts = [], [], 0.0, {"right": [], "cjk": []}
    for path in files:
        _, drawn = stage("drawn", path)
        status, ordered = stage("ordered", path)
        if status == 3:
            lost.append(path.name)
        if drawn != ordered:
            content = pdftotext(path, 10, "-raw")
            before, after = likeness(drawn, content), likeness(ordered, content)
            if before is not None:
                worst = max(worst, before - after)
                harmed += [path.name] if before - after > HARM_MAX else []
        for script, pattern in (("right", RIGHT), ("cjk", CJK)):
            if sum(letters(drawn, pattern).values()) >= LETTERS_COUNT:
                scripts[script].append(path)
    table.row("no loss  files that lost a character", len(lost), None, not lost, f"{len(files)} files {lost}")
    table.row("no harm  the worst change of a file", -worst, None, not harmed, f">= -{HARM_MAX} {harmed}")
    for script, pattern in (("right", RIGHT), ("cjk", CJK)):
        compare_letters(table, script, pattern, scripts[script])
    compare_words(table, scripts["right"])


def words(pages, pattern):
    text = unicodedata.normalize("NFKC", MARKS.sub("", " ".join(pages)))
    return Counter(word for word in re.split(r"[\s\d.,:;()/-]+", text) if pattern.search(word))


def compare_words(table, files):
    """poppler's library forgets a space in each line of these scripts; its program does not."""
    shares = []
    for path in files:
        ours, theirs = words(stage("ordered", path)[1], RIGHT), words(pdftotext(path), RIGHT)
        if sum(theirs.values()) >= WORDS_COUNT:
            shares.append((sum((ours & theirs).values()) / sum(theirs.values()), path.name))
    if shares:
        mean = sum(share for share, _ in shares) / len(shares)
        table.row("right    words of pdftotext kept, mean", mean, 1.0, mean >= WORDS_MIN,
                  f"{len(shares)} files, worst {min(shares)[0]:.3f} {min(shares)[1][:30]}")


def compare_letters(table, script, pattern, files):
    """Running heads are left out on purpose: pages one by one have none."""
    figures = []
    for path in files:
        ours = kept(stage("ordered", path)[1], pdftotext(path), pattern)
        if ours is not None:
            figures.append((ours, path.name))
    if figures:
        worst = min(figures)
        mean = sum(figure for figure, _ in figures) / len(figures)
        table.row(f"{script:8} letters of pdftotext kept, mean", mean, 1.0, mean >= LETTERS_MIN,
                  f"{len(figures)} files, worst {worst[0]:.3f} {worst[1][:30]}")


def spaced(pages):
    return re.sub(r"\s+", " ", MARKS.sub("", " ".join(pages)))


def compare_truth(table, is_smoke):
    path = CORPUS / "pdf" / BOOK[0]
    pages_max = 12 if is_smoke else 1000
    truth = (CORPUS / "pdf-truth" / BOOK[1]).read_text(encoding="utf8")
    texts = [spaced([truth]), spaced(stage("read", path, pages_max)[1]),
             spaced(pdftotext(path, pages_max))]
    if is_smoke:
        texts = [text[:SMOKE_CHARS] for text in texts]
    ours, theirs = (Levenshtein.ratio(texts[0], text) for text in texts[1:])
    table.row("truth    GeoTopo, white space alike", ours, theirs, ours >= TRUTH_MIN or is_smoke,
              f">= {TRUTH_MIN}" if not is_smoke else "its beginning, not judged")


def main():
    is_smoke = "--smoke" in sys.argv
    files = sorted((CORPUS / "pdf").rglob("*.pdf"))
    table = Table()
    print(f"{'':44} {'Millrace':>8} {'pdftotext':>10}")
    compare_columns(table)
    if is_smoke:
        also = [path for name in SMOKE_ALSO for path in (CORPUS / "pdf").glob(name)]
        files = files[::SMOKE_STEP] + also
    sweep(table, files)
    compare_truth(table, is_smoke)
    return 0 if table.is_good else 1


if __name__ == "__main__":
    try:
        import Levenshtein
    except ImportError:
        print("SKIPPED: python3-levenshtein is not installed")
        sys.exit(77)
    if not (CORPUS / "pdf").is_dir():
        print("SKIPPED: no PDFs in TEST_CORPUS/pdf (default ../shared/corpus)")
        sys.exit(77)
    sys.exit(main())
