/*
 * corpus_files.h - the public PDFs beside the source tree, where they are to be had, or others.
 *
 * Thread: one.
 */
#ifndef TESTS_CONTRACT_CORPUS_FILES_H
#define TESTS_CONTRACT_CORPUS_FILES_H

#include <stddef.h>

/* The paths of all PDFs below $TEST_CORPUS/pdf, default ../shared/corpus beside the sources. 0: there
 * is no such folder, or it is empty. */
size_t corpus_files_list(char ***ret_files);
/* Likewise of all files below a folder whose names end so ("": whatever they are), but empty ones. */
size_t corpus_files_below(const char *folder, const char *ending, char ***ret_files);
void corpus_files_free(char **list, size_t count);

#endif
