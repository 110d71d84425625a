#include "worker/local_body.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "queue/body.h"
#include "worker/base/memory.h"

#define COPY_BYTES ((size_t)256 << 10)

static bool copy(int from, int to, struct error *err)
{
    char *piece = xmalloc(COPY_BYTES);
    ssize_t got, written = 1;
    while ((got = read(from, piece, COPY_BYTES)) > 0 && written > 0)
        for (ssize_t done = 0; done < got && written > 0; done += written)
            written = write(to, piece + done, (size_t)(got - done));
    int errno_value = errno;
    xfree(piece);
    return (got == 0 && written > 0) || error_set_errno(err, ERR_IO, errno_value, "copying");
}

static bool fill(int file, int body, uint64_t *ret_bytes, struct error *err)
{
    struct stat status;
    if (!copy(file, body, err) || !body_seal(body, err))
        return false;
    if (fstat(body, &status) != 0)
        return error_set_errno(err, ERR_IO, errno, "the copy");
    *ret_bytes = (uint64_t)status.st_size;
    return true;
}

int local_body_open(const char *path, uint64_t bytes_max, uint64_t *ret_bytes, struct error *err)
{
    struct stat status;
    *ret_bytes = 0;
    AUTO_FD int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0 || fstat(file, &status) != 0) {
        error_set_errno(err, ERR_USAGE, errno, path);
        return -1;
    }
    if (!S_ISREG(status.st_mode)) {
        error_set(err, ERR_USAGE, "%s: not a file", path);
        return -1;
    }
    *ret_bytes = (uint64_t)status.st_size;
    if (*ret_bytes > bytes_max) {
        error_set(err, ERR_TOO_LARGE, "%lld bytes", (long long)status.st_size);
        return -1;
    }
    int body = body_new(err);
    if (body >= 0 && !fill(file, body, ret_bytes, err)) {
        close(body);
        body = -1;
    }
    return body;
}
