/* Feeds each file of the folders or files named on the command line to the fuzz target, once. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        perror(path);
        return 1;
    }
    fseek(file, 0, SEEK_END);
    long bytes = ftell(file);
    rewind(file);
    uint8_t *data = malloc(bytes > 0 ? (size_t)bytes : 1);
    size_t read = bytes > 0 && data ? fread(data, 1, (size_t)bytes, file) : 0;
    fclose(file);
    LLVMFuzzerTestOneInput(data, read);
    free(data);
    return 0;
}

static int replay(const char *path, unsigned *count)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        perror(path);
        return 1;
    }
    if (!S_ISDIR(status.st_mode)) {
        ++*count;
        return replay_file(path);
    }
    struct dirent **entries;
    int entry_count = scandir(path, &entries, NULL, alphasort);
    int failed = entry_count < 0;
    for (int i = 0; i < entry_count; i++) {
        char child[4096];
        snprintf(child, sizeof(child), "%s/%s", path, entries[i]->d_name);
        if (entries[i]->d_name[0] != '.')
            failed |= replay(child, count);
        free(entries[i]);
    }
    if (entry_count >= 0)
        free(entries);
    return failed;
}

int main(int argc, char **argv)
{
    unsigned count = 0;
    int failed = 0;
    for (int i = 1; i < argc; i++)
        failed |= replay(argv[i], &count);
    printf("replayed %u files\n", count);
    return failed || count == 0;
}
