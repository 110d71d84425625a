"""The same job as an ordinary program does it: pypdf, fixed windows of characters, hashed words, psycopg.
Prints pages and seconds.

    plain_worker.py DATABASE_URL DIMENSIONS FILE...
"""

import math
import multiprocessing
import sys
import time
import zlib

import psycopg
import pypdf

WINDOW, OVERLAP = 1200, 150


def embed(text, dimensions):
    vector = [0.0] * dimensions
    for word in text.lower().split():
        value = zlib.crc32(word.encode())
        vector[value % dimensions] += 1.0 if value & 1 << 31 else -1.0
    length = math.sqrt(sum(one * one for one in vector)) or 1.0
    return [one / length for one in vector]


def work(job):
    url, dimensions, path = job
    pages = [page.extract_text() for page in pypdf.PdfReader(path).pages]
    text = "\f".join(pages)
    with psycopg.connect(url) as connection, connection.cursor() as cursor:
        with cursor.copy("copy plain_chunks from stdin") as copy:
            for number, start in enumerate(range(0, len(text), WINDOW - OVERLAP)):
                part = text[start : start + WINDOW].replace("\0", "")
                copy.write_row((path, number, part, embed(part, dimensions)))
    return len(pages)


def main():
    url, dimensions, files = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("drop table if exists plain_chunks")
        connection.execute(
            "create table plain_chunks (path text, no int, content text, embedding real[], primary key (path, no))"
        )
    start = time.monotonic()
    with multiprocessing.Pool() as pool:
        pages = sum(pool.imap_unordered(work, [(url, dimensions, path) for path in files]))
    print(pages, f"{time.monotonic() - start:.3f}")


if __name__ == "__main__":
    main()
