/*
 * document.h - a body becomes a document: its format is found out, and its reader opened.
 *
 * Everything that a reader would load from the disk is loaded by document_warm_up(), before there is
 * a sandbox.
 * Thread: single-threaded processes only.
 */
#ifndef EXTRACT_DOCUMENT_H
#define EXTRACT_DOCUMENT_H

#include "extract/reader.h"

/* Once, in the zygote. ERR_SANDBOX. */
bool document_warm_up(struct error *err) MUST_CHECK;

/* Of the job: what the file's name promises, and the limits of text. Fails with the reason why the
 * file is not read (sniff.h), or with what its reader says. */
struct reader *document_open(struct text body, const struct wire_job *job,
                             struct error *err) MUST_CHECK;

#endif
