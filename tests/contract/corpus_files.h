/*
 * corpus_files.h - the public PDFs beside the source tree, where they are to be had.
 *
 * Thread: one.
 */
#ifndef TESTS_CONTRACT_CORPUS_FILES_H
#define TESTS_CONTRACT_CORPUS_FILES_H

#include <stddef.h>

/* The paths of all PDFs below $TEST_CORPUS/pdf, default ../shared/corpus beside the sources. 0: there
 * is no such folder, or it is empty. */
size_t corpus_files_list(char ***ret_files);
void corpus_files_free(char **files, size_t count);

#endif
