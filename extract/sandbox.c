#include "extract/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "worker/base/memory.h"

#define FILTER_BYTES_MAX 16384
#define CHILD_FDS_MAX 16 /* poppler-data files are open one or two at a time */

#ifdef HOUSE_SANITIZED
#define IS_SANITIZED true
#else
#define IS_SANITIZED false
#endif

struct sandbox {
    struct sock_fprog filter; /* filter.len 0: none */
    int ruleset_fd;           /* -1: this kernel has no Landlock */
    uint32_t landlock_abi;
};

/* ---- Landlock: the header of Debian 12 is older than the kernels we meet, hence our own ------ */

struct landlock_ruleset {
    uint64_t handled_fs;
    uint64_t handled_net; /* since ABI 4 */
    uint64_t scoped;      /* since ABI 6 */
};

struct landlock_path {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));

#define LANDLOCK_VERSION_QUERY 1u
#define LANDLOCK_PATH_RULE 1
#define LANDLOCK_READ_FILE (1u << 2)
#define LANDLOCK_READ_DIR (1u << 3)

static struct landlock_ruleset everything(long abi)
{
    unsigned fs_rights = abi >= 5 ? 16 : abi >= 3 ? 15 : abi >= 2 ? 14 : 13;
    return (struct landlock_ruleset){
        .handled_fs = (1u << fs_rights) - 1,
        .handled_net = abi >= 4 ? 3 : 0, /* TCP bind and connect */
        .scoped = abi >= 6 ? 3 : 0,      /* abstract sockets and signals stay inside */
    };
}

static bool allow_reading(int ruleset_fd, const char *path)
{
    AUTO_FD int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct landlock_path rule = {LANDLOCK_READ_FILE | LANDLOCK_READ_DIR, directory};
    return directory >= 0 &&
           syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_PATH_RULE, &rule, 0) == 0;
}

/* Best effort: containers often have it switched off, and seccomp alone already forbids all but
 * reading. */
static void prepare_landlock(struct sandbox *sandbox, const char *data_path)
{
    long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION_QUERY);
    if (abi <= 0)
        return;
    struct landlock_ruleset ruleset = everything(abi);
    size_t bytes = abi >= 6   ? sizeof(ruleset)
                   : abi >= 4 ? offsetof(struct landlock_ruleset, scoped)
                              : offsetof(struct landlock_ruleset, handled_net);
    int fd = (int)syscall(SYS_landlock_create_ruleset, &ruleset, bytes, 0);
    if (fd < 0)
        return;
    if (!allow_reading(fd, data_path)) {
        close(fd);
        return;
    }
    sandbox->ruleset_fd = fd;
    sandbox->landlock_abi = (uint32_t)abi;
}

/* ---- seccomp --------------------------------------------------------------------------------- */

/* Found by running several thousand PDFs; sysinfo is glibc's qsort asking for physical memory.
 * abort() needs the two ids and tgkill, which own_process_only[] narrows. */
static const int ALLOWED_CALLS[] = {
    SCMP_SYS(read),         SCMP_SYS(write),
    SCMP_SYS(close),        SCMP_SYS(lseek),
    SCMP_SYS(fstat),        SCMP_SYS(newfstatat),
    SCMP_SYS(getdents64),   SCMP_SYS(munmap),
    SCMP_SYS(mremap),       SCMP_SYS(brk),
    SCMP_SYS(madvise),      SCMP_SYS(futex),
    SCMP_SYS(exit),         SCMP_SYS(exit_group),
    SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigaction), SCMP_SYS(clock_gettime),
    SCMP_SYS(gettid),       SCMP_SYS(getpid),
    SCMP_SYS(tgkill),       SCMP_SYS(getrandom),
    SCMP_SYS(sysinfo),
};

static bool add_rules(scmp_filter_ctx filter)
{
    int failed = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    for (size_t i = 0; i < COUNT_OF(ALLOWED_CALLS); i++)
        failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, ALLOWED_CALLS[i], 0);
    const scmp_datum_t writing = O_ACCMODE | O_CREAT | O_TRUNC | O_APPEND;
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1,
                               SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1,
                               SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    failed |= seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(openat), 1,
                               SCMP_A2(SCMP_CMP_MASKED_EQ, writing, O_RDONLY));
    return failed == 0;
}

/* libseccomp 2.5 writes a compiled filter to a descriptor only. */
static bool export_filter(scmp_filter_ctx filter, struct sock_fprog *ret_filter)
{
    AUTO_FD int file = memfd_create("filter", MFD_CLOEXEC);
    if (file < 0 || seccomp_export_bpf(filter, file) != 0)
        return false;
    struct stat status;
    if (fstat(file, &status) != 0 || status.st_size <= 0 || status.st_size > FILTER_BYTES_MAX)
        return false;
    size_t bytes = (size_t)status.st_size;
    struct sock_filter *code = xmalloc(bytes);
    if (pread(file, code, bytes, 0) != (ssize_t)bytes) {
        xfree(code);
        return false;
    }
    *ret_filter = (struct sock_fprog){(unsigned short)(bytes / sizeof(*code)), code};
    return true;
}

static bool prepare_filter(struct sandbox *sandbox)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    bool is_done = filter && add_rules(filter) && export_filter(filter, &sandbox->filter);
    if (filter)
        seccomp_release(filter);
    return is_done;
}

static bool install(const struct sock_fprog *filter)
{
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter, 0, 0) == 0;
}

/* tgkill, but of this process only: else a child could end the worker, which has the same user. */
static bool install_own_process_only(pid_t self)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_tgkill, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)self, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    return install(&(struct sock_fprog){COUNT_OF(code), code});
}

/* ---- rlimits --------------------------------------------------------------------------------- */

static bool limit(__rlimit_resource_t resource, rlim_t soft, rlim_t hard)
{
    return setrlimit(resource, &(struct rlimit){soft, hard}) == 0;
}

static bool apply_limits(struct sandbox_limits limits)
{
    bool is_done = limit(RLIMIT_CPU, limits.cpu_seconds, limits.cpu_seconds + 1) &&
                   limit(RLIMIT_CORE, 0, 0) && limit(RLIMIT_NPROC, 0, 0) &&
                   limit(RLIMIT_MSGQUEUE, 0, 0) && limit(RLIMIT_MEMLOCK, 0, 0) &&
                   limit(RLIMIT_NOFILE, CHILD_FDS_MAX, CHILD_FDS_MAX);
    if (IS_SANITIZED)
        return is_done;
    return is_done && limit(RLIMIT_FSIZE, 0, 0) &&
           limit(RLIMIT_AS, limits.memory_bytes, limits.memory_bytes);
}

/* ---- public ---------------------------------------------------------------------------------- */

struct sandbox *sandbox_prepare(const char *data_path, struct error *err)
{
    struct sandbox *sandbox = xcalloc(1, sizeof(*sandbox));
    sandbox->ruleset_fd = -1;
    if (IS_SANITIZED)
        return sandbox;
    if (!prepare_filter(sandbox)) {
        error_set(err, ERR_SANDBOX, "the seccomp filter cannot be compiled");
        xfree(sandbox);
        return NULL;
    }
    prepare_landlock(sandbox, data_path);
    return sandbox;
}

uint32_t sandbox_landlock_abi(const struct sandbox *sandbox)
{
    return sandbox->landlock_abi;
}

bool sandbox_has_filter(const struct sandbox *sandbox)
{
    return sandbox->filter.len != 0;
}

bool sandbox_die_with_parent(pid_t parent, struct error *err)
{
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0)
        return error_set_errno(err, ERR_SANDBOX, errno, "parent-death signal");
    if (getppid() != parent) /* it died before the call above: no signal will come */
        return error_set(err, ERR_SANDBOX, "the parent process is gone");
    return true;
}

bool sandbox_enter(const struct sandbox *sandbox, struct sandbox_limits limits, int fds_first,
                   struct error *err)
{
    pid_t self = getpid();
    if (prctl(PR_SET_DUMPABLE, 0) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return error_set_errno(err, ERR_SANDBOX, errno, "no_new_privs");
    if (sandbox->ruleset_fd >= 0 &&
        syscall(SYS_landlock_restrict_self, sandbox->ruleset_fd, 0) != 0)
        return error_set_errno(err, ERR_SANDBOX, errno, "Landlock");
    if (close_range((unsigned)fds_first, ~0u, 0) != 0)
        return error_set_errno(err, ERR_SANDBOX, errno, "closing descriptors");
    if (!apply_limits(limits))
        return error_set_errno(err, ERR_SANDBOX, errno, "resource limits");
    if (!sandbox_has_filter(sandbox))
        return true;
    /* The narrow one first: the wide one forbids prctl. */
    if (!install_own_process_only(self) || !install(&sandbox->filter))
        return error_set_errno(err, ERR_SANDBOX, errno, "seccomp");
    return true;
}
