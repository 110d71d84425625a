#include "queue/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "worker/base/memory.h"

bool beneath_is_path(struct text path)
{
    if (!path.bytes || path.start[path.bytes - 1] == '/')
        return false;
    for (struct text rest = path; rest.bytes;) {
        struct text name = text_cut(rest, '/', &rest);
        size_t at;
        if (!name.bytes || name.start[0] == '.' || name.bytes > NAME_MAX ||
            text_find(name, (struct text){"", 1}, &at))
            return false;
    }
    return true;
}

struct text beneath_last_name(struct text path)
{
    size_t from = path.bytes;
    while (from && path.start[from - 1] != '/')
        from--;
    return text_slice(path, from, path.bytes);
}

struct text beneath_folder_of(struct text path)
{
    struct text last = beneath_last_name(path);
    size_t bytes = path.bytes - last.bytes;
    return text_slice(path, 0, bytes ? bytes - 1 : 0);
}

static int open_name(int folder_fd, struct text name, int flags)
{
    char terminated[NAME_MAX + 1];
    if (!text_format(terminated, sizeof(terminated), "%.*s", TEXT_ARGS(name))) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return openat(folder_fd, terminated, flags | O_NOFOLLOW | O_CLOEXEC);
}

static void close_keeping_errno(int fd)
{
    int errno_value = errno;
    close(fd);
    errno = errno_value;
}

/* Replaces *fd by the folder name in it; -1 closes nothing but *fd. */
static bool descend(int *fd, struct text name, bool is_made)
{
    char terminated[NAME_MAX + 1];
    if (is_made && text_format(terminated, sizeof(terminated), "%.*s", TEXT_ARGS(name)) &&
        mkdirat(*fd, terminated, 0777) != 0 && errno != EEXIST) {
        close_keeping_errno(*fd);
        return false;
    }
    int next = open_name(*fd, name, O_PATH | O_DIRECTORY);
    close_keeping_errno(*fd);
    *fd = next;
    return next >= 0;
}

static int open_folder(int folder_fd, struct text path, bool is_made)
{
    int fd = openat(folder_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    for (struct text rest = path; rest.bytes;) {
        struct text name = text_cut(rest, '/', &rest);
        if (!descend(&fd, name, is_made))
            return -1;
    }
    return fd;
}

int beneath_open(int folder_fd, struct text path, int flags)
{
    if (!path.bytes)
        return openat(folder_fd, ".", flags | O_CLOEXEC);
    if (!beneath_is_path(path)) {
        errno = ENOENT;
        return -1;
    }
    int folder = open_folder(folder_fd, beneath_folder_of(path), false);
    if (folder < 0)
        return -1;
    int fd = open_name(folder, beneath_last_name(path), flags);
    close_keeping_errno(folder);
    return fd;
}

int beneath_make_folders(int folder_fd, struct text path)
{
    if (!beneath_is_path(path)) {
        errno = EINVAL;
        return -1;
    }
    return open_folder(folder_fd, beneath_folder_of(path), true);
}

const char *beneath_etag(const struct stat *status, char buffer[BENEATH_ETAG_BYTES])
{
    (void)text_format(buffer, BENEATH_ETAG_BYTES,
                      "%" PRIx64 "-%" PRIx64 "%08lx-%" PRIx64 "-%" PRIx64 "%08lx",
                      (uint64_t)status->st_size, (uint64_t)status->st_mtim.tv_sec,
                      (unsigned long)status->st_mtim.tv_nsec, (uint64_t)status->st_ino,
                      (uint64_t)status->st_ctim.tv_sec, (unsigned long)status->st_ctim.tv_nsec);
    return buffer;
}

uint64_t beneath_modified_ms(const struct stat *status)
{
    if (status->st_mtim.tv_sec < 0)
        return 0;
    return (uint64_t)status->st_mtim.tv_sec * 1000 + (uint64_t)status->st_mtim.tv_nsec / 1000000;
}

int64_t beneath_age_ms(const struct stat *status)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return ((int64_t)now.tv_sec - status->st_ctim.tv_sec) * 1000 +
           (now.tv_nsec - status->st_ctim.tv_nsec) / 1000000;
}

bool beneath_is_being_written(int folder_fd, struct text path)
{
    AUTO_FD int fd = beneath_open(folder_fd, path, O_RDONLY | O_NONBLOCK);
    /* A writer that comes while we hold the lease makes the kernel send a signal; SIGURG is ignored
     * by default, while SIGIO would end the process. */
    if (fd < 0 || fcntl(fd, F_SETSIG, SIGURG) != 0)
        return false;
    if (fcntl(fd, F_SETLEASE, F_RDLCK) != 0)
        return errno == EAGAIN;
    (void)fcntl(fd, F_SETLEASE, F_UNLCK); /* closing ends it in any case */
    return false;
}
