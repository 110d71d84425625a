#include "worker/dev_state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "worker/base/memory.h"

#define ENV_FILE "env"
#define LOCK_FILE "lock"
#define ID_BYTES 8 /* of a hash of the folder's path: short, since sockets have short paths */

static bool find_root(const struct environment *environment, char ret_root[STATE_PATH_BYTES],
                      struct error *err)
{
    const char *state_home = environment_get(environment, "XDG_STATE_HOME");
    const char *home = environment_get(environment, "HOME");
    bool fits;
    if (state_home && state_home[0] == '/')
        fits = text_format(ret_root, STATE_PATH_BYTES, "%s/millrace", state_home);
    else if (geteuid() == 0)
        fits = text_format(ret_root, STATE_PATH_BYTES, "/var/lib/millrace");
    else if (home && home[0] == '/')
        fits = text_format(ret_root, STATE_PATH_BYTES, "%s/.local/state/millrace", home);
    else
        return error_set(err, ERR_CONFIG,
                         "neither XDG_STATE_HOME nor HOME says where to keep state");
    return fits || error_set(err, ERR_CONFIG, "the path of the state folder is too long");
}

/* mkdir -p; the unprivileged PostgreSQL must get through, and makes its own folder private. */
static bool make_folders(char *path, struct error *err)
{
    for (char *at = strchr(path + 1, '/'); at; at = strchr(at + 1, '/')) {
        *at = '\0';
        bool is_there = mkdir(path, 0755) == 0 || errno == EEXIST;
        if (!is_there)
            error_set_errno(err, ERR_CONFIG, errno, path);
        *at = '/';
        if (!is_there)
            return false;
    }
    if (mkdir(path, 0755) != 0 && errno != EEXIST)
        return error_set_errno(err, ERR_CONFIG, errno, path);
    return true;
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status;
    (void)kind;
    if (at->level == 0 || (at->level == 1 && strcmp(path + at->base, LOCK_FILE) == 0))
        return 0;
    return remove(path);
}

static bool empty(const char *folder, struct error *err)
{
    if (nftw(folder, remove_entry, 16, FTW_DEPTH | FTW_PHYS) != 0)
        return error_set_errno(err, ERR_CONFIG, errno, folder);
    return true;
}

static int remove_all(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status;
    (void)kind;
    (void)at;
    return remove(path);
}

bool dev_state_remove(const struct dev_state *state, const char *name, struct error *err)
{
    char path[STATE_PATH_BYTES];
    if (!dev_state_path(state, name, path, err))
        return false;
    return nftw(path, remove_all, 16, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT ||
           error_set_errno(err, ERR_CONFIG, errno, path);
}

bool dev_state_path(const struct dev_state *state, const char *name,
                    char ret_path[STATE_PATH_BYTES], struct error *err)
{
    return text_format(ret_path, STATE_PATH_BYTES, "%s/%s", state->folder, name) ||
           error_set(err, ERR_CONFIG, "the path of the state folder is too long");
}

static bool take_lock(struct dev_state *state, struct error *err)
{
    char path[STATE_PATH_BYTES];
    if (!dev_state_path(state, LOCK_FILE, path, err))
        return false;
    state->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (state->lock_fd < 0)
        return error_set_errno(err, ERR_CONFIG, errno, path);
    if (flock(state->lock_fd, LOCK_EX | LOCK_NB) == 0)
        return true;
    close(state->lock_fd);
    state->lock_fd = -1; /* nothing here is ours: dev_state_close() must not tidy up */
    return error_set(err, ERR_CONFIG, "another `millrace dev` is at %s already", state->directory);
}

bool dev_state_open(struct dev_state *state, const char *directory, bool is_fresh,
                    const struct environment *environment, struct error *err)
{
    struct stat status;
    uint8_t hash[SHA256_BYTES];
    char id[2 * ID_BYTES + 1];
    *state = (struct dev_state){.lock_fd = -1};
    char *resolved = realpath(directory, NULL);
    if (!resolved)
        return error_set_errno(err, ERR_CONFIG, errno, directory);
    bool fits = text_format(state->directory, sizeof(state->directory), "%s", resolved);
    free(resolved);
    if (!fits || stat(state->directory, &status) != 0 || !S_ISDIR(status.st_mode))
        return error_set(err, ERR_CONFIG, "%s is not a folder", directory);
    sha256_of(text_from(state->directory), hash);
    hex_format(hash, ID_BYTES, id);
    if (!find_root(environment, state->root, err))
        return false;
    if (!text_format(state->folder, sizeof(state->folder), "%s/%s", state->root, id))
        return error_set(err, ERR_CONFIG, "the path of the state folder is too long");
    return make_folders(state->folder, err) && take_lock(state, err) &&
           (!is_fresh || empty(state->folder, err));
}

bool dev_state_write_env(const struct dev_state *state, struct text content, struct error *err)
{
    char path[STATE_PATH_BYTES], draft[STATE_PATH_BYTES];
    if (!dev_state_path(state, ENV_FILE, path, err) ||
        !dev_state_path(state, ENV_FILE ".draft", draft, err))
        return false;
    AUTO_FD int fd = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, content.start, content.bytes) != (ssize_t)content.bytes ||
        rename(draft, path) != 0)
        return error_set_errno(err, ERR_IO, errno, path);
    return true;
}

void dev_state_close(struct dev_state *state)
{
    char path[STATE_PATH_BYTES];
    struct error err;
    if (state->lock_fd < 0)
        return;
    if (dev_state_path(state, ENV_FILE, path, &err))
        unlink(path);
    close(state->lock_fd);
    state->lock_fd = -1;
}

/* Its lock is held by somebody. */
static bool is_running(const char *folder)
{
    char path[STATE_PATH_BYTES];
    if (!text_format(path, sizeof(path), "%s/%s", folder, LOCK_FILE))
        return false;
    AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0;
}

unsigned dev_state_find_running(const struct environment *environment,
                                char ret_path[STATE_PATH_BYTES])
{
    char root[STATE_PATH_BYTES], folder[STATE_PATH_BYTES], path[STATE_PATH_BYTES];
    struct error err;
    unsigned count = 0;
    DIR *folders = find_root(environment, root, &err) ? opendir(root) : NULL;
    if (!folders)
        return 0;
    for (struct dirent *entry; (entry = readdir(folders));) {
        if (entry->d_name[0] == '.' ||
            !text_format(folder, sizeof(folder), "%s/%s", root, entry->d_name) ||
            !text_format(path, sizeof(path), "%s/%s", folder, ENV_FILE) || !is_running(folder) ||
            access(path, R_OK) != 0)
            continue;
        memcpy(ret_path, path, sizeof(path));
        count++;
    }
    closedir(folders);
    return count;
}
