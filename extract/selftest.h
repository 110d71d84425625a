/*
 * selftest.h - does the sandbox hold, and is everything there that PDFs need?
 *
 * Thread: the zygote, before its first job, and a child before its own.
 */
#ifndef EXTRACT_SELFTEST_H
#define EXTRACT_SELFTEST_H

#include "extract/sandbox.h"

/* Opens a tiny PDF of ours, reads it and keeps it open for good: while a document is open, poppler
 * keeps its global tables, which are the half of opening a small file. ERR_SANDBOX: a text in
 * Chinese cannot be read (poppler-data is missing: more than half of some books would silently be
 * lost). */
bool selftest_warm_up(struct error *err) MUST_CHECK;

/* Reads that PDF again in a child that waits for its document: the memory that reading needs is then
 * the child's own, and hundreds of page faults are not taken while a document waits. ERR_SANDBOX. */
bool selftest_rehearse(struct error *err) MUST_CHECK;

/* A sandboxed child must be able to read that PDF, and must be killed for opening a socket.
 * ERR_SANDBOX. */
bool selftest_sandbox(const struct sandbox *sandbox, struct error *err) MUST_CHECK;

#endif
