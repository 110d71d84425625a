#include "queue/body.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <sys/mman.h>

#ifndef MFD_NOEXEC_SEAL /* Linux 6.3; Debian 12's headers are older */
#define MFD_NOEXEC_SEAL 8u
#endif

int body_new(struct error *err)
{
    int fd = memfd_create("object", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) /* a kernel that does not know the flag */
        fd = memfd_create("object", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        error_set_errno(err, ERR_IO, errno, "memory for an object");
    return fd;
}

bool body_seal(int fd, struct error *err)
{
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return error_set_errno(err, ERR_IO, errno, "sealing an object");
    return true;
}

bool body_checksum(int fd, uint64_t bytes, enum checksum_kind kind, struct checksum *ret_sum,
                   struct error *err)
{
    if (bytes == 0) {
        *ret_sum = checksum_of(kind, TEXT_NONE);
        return true;
    }
    void *map = mmap(NULL, (size_t)bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return error_set_errno(err, ERR_IO, errno, "reading an object back");
    *ret_sum = checksum_of(kind, (struct text){map, (size_t)bytes});
    munmap(map, (size_t)bytes);
    return true;
}
