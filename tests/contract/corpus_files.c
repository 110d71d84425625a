#include "tests/contract/corpus_files.h"

#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

#include "worker/base/memory.h"

#define FILES_MAX 20000

static char **files; /* ftw() has no argument of ours */
static size_t file_count;
static struct text wanted_ending;

static int on_file(const char *path, const struct stat *status, int type)
{
    if (type == FTW_F && status->st_size > 0 && file_count < FILES_MAX &&
        text_ends_with(text_from(path), wanted_ending))
        files[file_count++] = xstrdup(text_from(path));
    return 0;
}

static bool find_corpus(char *folder, size_t folder_bytes)
{
    const char *corpus = getenv("TEST_CORPUS"), *source = getenv("TEST_SOURCE_DIR");
    if (corpus)
        return text_format(folder, folder_bytes, "%s/pdf", corpus) && access(folder, R_OK) == 0;
    return source && text_format(folder, folder_bytes, "%s/../shared/corpus/pdf", source) &&
           access(folder, R_OK) == 0;
}

size_t corpus_files_below(const char *folder, const char *ending, char ***ret_files)
{
    file_count = 0;
    wanted_ending = text_from(ending);
    *ret_files = files = xcalloc(FILES_MAX, sizeof(*files));
    if (ftw(folder, on_file, 16) == 0 && file_count)
        return file_count;
    corpus_files_free(files, file_count);
    return 0;
}

size_t corpus_files_list(char ***ret_files)
{
    char folder[4096];
    return find_corpus(folder, sizeof(folder)) ? corpus_files_below(folder, ".pdf", ret_files) : 0;
}

void corpus_files_free(char **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        xfree(list[i]);
    xfree(list);
}
