#include "queue/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/sendfile.h>
#include <time.h>
#include <unistd.h>

#include "queue/beneath.h"
#include "queue/body.h"
#include "queue/file_walk.h"
#include "worker/base/memory.h"

#define COPY_BYTES ((size_t)1024 * 1024)

struct file_objects {
    struct loop *loop;
    int root_fd;
    char *shared_prefix;
    uint64_t bytes_max;
    struct list calls;
    bool is_closing;
    void (*on_closed)(void *arg);
    void *closed_arg;
    struct later closing;
};

struct call {
    struct file_objects *files;
    struct object_request *request;
    struct work work;
    struct list_node node;
    atomic_bool is_given_up; /* by the loop thread; the work thread looks now and then */
    bool is_cancelled;
    bool is_ok;
    struct error err;
    struct file_walk *walk; /* LIST */
    const struct object_entry *entries;
    size_t entry_count;
};

/* ---- keys and paths -------------------------------------------------------------------------- */

/* users/<uuid>/..., whatever follows */
static bool is_in_a_tenants_folder(struct text path)
{
    struct text rest;
    struct text users = text_cut(path, '/', &rest);
    struct text name = text_cut(rest, '/', &rest);
    struct uuid id;
    return text_equal(users, TEXT("users")) && name.start && uuid_parse(name, &id) &&
           path.bytes > users.bytes + 1 + name.bytes;
}

bool file_key_of(struct text shared_prefix, struct text path, struct buffer *ret_key)
{
    if (!is_in_a_tenants_folder(path))
        buffer_append_text(ret_key, shared_prefix);
    return buffer_append_text(ret_key, path) && !ret_key->is_full;
}

bool file_shared_path_of(struct text shared_prefix, struct text key, struct text *ret_path)
{
    if (!shared_prefix.bytes || !text_starts_with(key, shared_prefix))
        return false;
    struct text rest = text_slice(key, shared_prefix.bytes, key.bytes);
    if (!rest.bytes || is_in_a_tenants_folder(rest))
        return false;
    *ret_path = rest;
    return true;
}

static enum error_code code_of(int errno_value)
{
    switch (errno_value) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP: /* a symbolic link is no object */
    case ENAMETOOLONG:
        return ERR_GONE;
    case EACCES:
    case EPERM:
        return ERR_DENIED;
    default:
        return ERR_IO;
    }
}

/* A regular file's descriptor and status, or -1. */
static int open_object(struct call *call, int flags, struct stat *ret_status)
{
    struct file_objects *files = call->files;
    struct text key = call->request->key, shared_path;
    int fd = beneath_open(files->root_fd, key, flags);
    if (fd < 0 && code_of(errno) == ERR_GONE &&
        file_shared_path_of(text_from(files->shared_prefix), key, &shared_path))
        fd = beneath_open(files->root_fd, shared_path, flags);
    if (fd < 0) {
        error_set_errno(&call->err, code_of(errno), errno, "opening");
        return -1;
    }
    if (fstat(fd, ret_status) == 0 && S_ISREG(ret_status->st_mode))
        return fd;
    error_set(&call->err, ERR_GONE, "is not a regular file");
    close(fd);
    return -1;
}

static void note_version(struct object_request *request, const struct stat *status)
{
    char etag[BENEATH_ETAG_BYTES];
    (void)text_format(request->etag, sizeof(request->etag), "%s", beneath_etag(status, etag));
    request->modified_ms = beneath_modified_ms(status);
    request->body_bytes = (uint64_t)status->st_size;
}

/* ---- on a work thread ------------------------------------------------------------------------ */

static bool copy(struct call *call, int from_fd, int to_fd, uint64_t bytes)
{
    off_t offset = 0; /* of from_fd, whose own is not moved */
    while ((uint64_t)offset < bytes) {
        if (atomic_load(&call->is_given_up))
            return error_set(&call->err, ERR_CANCELLED, "given up");
        uint64_t left = bytes - (uint64_t)offset;
        size_t wanted = left < COPY_BYTES ? (size_t)left : COPY_BYTES;
        ssize_t copied = sendfile(to_fd, from_fd, &offset, wanted);
        if (copied < 0 && errno != EINTR)
            return error_set_errno(&call->err, ERR_IO, errno, "copying");
        if (copied == 0)
            return error_set(&call->err, ERR_NOT_YET,
                             "ended after %" PRIu64 " of %" PRIu64 " bytes: it is being written",
                             (uint64_t)offset, bytes);
    }
    return true;
}

/* A file that was touched in the current tick could be written again without changing its times:
 * wait until that tick is over, then look again. */
static bool status_of_a_past_tick(struct call *call, int fd, struct stat *status)
{
    int64_t age_ms = beneath_age_ms(status);
    if (age_ms < 0 || age_ms >= BENEATH_TICK_MS)
        return true;
    struct timespec rest = {.tv_nsec = (BENEATH_TICK_MS - age_ms) * 1000000};
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
        ;
    if (fstat(fd, status) != 0)
        return error_set_errno(&call->err, ERR_IO, errno, "looking at");
    return true;
}

static bool read_body(struct call *call, int fd, const struct stat *before)
{
    struct object_request *request = call->request;
    struct stat after;
    char etag[BENEATH_ETAG_BYTES];
    request->body_fd = body_new(&call->err);
    if (request->body_fd < 0 || !copy(call, fd, request->body_fd, (uint64_t)before->st_size))
        return false;
    if (fstat(fd, &after) != 0)
        return error_set_errno(&call->err, ERR_IO, errno, "looking at");
    if (strcmp(beneath_etag(&after, etag), request->etag) != 0)
        return error_set(&call->err, ERR_NOT_YET, "changed while it was read");
    return body_seal(request->body_fd, &call->err);
}

static bool get(struct call *call)
{
    struct object_request *request = call->request;
    struct stat status;
    AUTO_FD int fd = open_object(call, O_RDONLY | O_NONBLOCK, &status);
    if (fd < 0 || !status_of_a_past_tick(call, fd, &status))
        return false;
    note_version(request, &status);
    request->is_unchanged = request->if_none_match.bytes &&
                            text_equal(request->if_none_match, text_from(request->etag));
    if (request->is_unchanged)
        return true;
    if (request->body_bytes > call->files->bytes_max)
        return error_set(&call->err, ERR_TOO_LARGE, "%" PRIu64 " bytes, %" PRIu64 " are allowed",
                         request->body_bytes, call->files->bytes_max);
    return read_body(call, fd, &status);
}

static bool head(struct call *call)
{
    struct stat status;
    AUTO_FD int fd = open_object(call, O_PATH, &status);
    if (fd >= 0)
        note_version(call->request, &status);
    return fd >= 0;
}

static bool fail(struct call *call, const char *what)
{
    enum error_code code = code_of(errno) == ERR_DENIED ? ERR_DENIED : ERR_IO;
    return error_set_errno(&call->err, code, errno, what);
}

static bool write_and_rename(struct call *call, int folder_fd, const char *hidden_name, int fd)
{
    struct object_request *request = call->request;
    struct stat status;
    char name[NAME_MAX + 1];
    (void)text_format(name, sizeof(name), "%.*s", TEXT_ARGS(beneath_last_name(request->key)));
    if (!copy(call, request->put_fd, fd, request->put_bytes))
        return error_wrap(&call->err, "the body");
    if (fdatasync(fd) != 0 || renameat(folder_fd, hidden_name, folder_fd, name) != 0 ||
        fstat(fd, &status) != 0)
        return fail(call, "writing");
    note_version(request, &status);
    return true;
}

static bool put(struct call *call)
{
    struct object_request *request = call->request;
    if (!beneath_is_path(request->key))
        return error_set(&call->err, ERR_EVENT_KEY,
                         "a name is empty, hidden (a leading dot) or too long for a file");
    AUTO_FD int folder = beneath_make_folders(call->files->root_fd, request->key);
    if (folder < 0)
        return fail(call, "making its folder");
    char hidden_name[64];
    (void)text_format(hidden_name, sizeof(hidden_name), ".millrace-%" PRIx64, random_u63());
    AUTO_FD int fd = openat(folder, hidden_name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail(call, "creating");
    if (write_and_rename(call, folder, hidden_name, fd))
        return true;
    unlinkat(folder, hidden_name, 0);
    return false;
}

static bool list(struct call *call)
{
    if (!call->walk)
        call->walk = file_walk_new(call->files->root_fd, text_from(call->files->shared_prefix),
                                   call->request->key);
    return file_walk_next(call->walk, &call->entries, &call->entry_count, &call->err);
}

static void run_call(struct work *work)
{
    struct call *call = container_of(work, struct call, work);
    switch (call->request->verb) {
    case OBJECT_GET:
        call->is_ok = get(call);
        break;
    case OBJECT_HEAD:
        call->is_ok = head(call);
        break;
    case OBJECT_PUT:
        call->is_ok = put(call);
        break;
    case OBJECT_LIST:
        call->is_ok = list(call);
        break;
    }
    if (!call->is_ok && call->request->verb != OBJECT_LIST)
        error_wrap(&call->err, "file \"%.*s\"", TEXT_ARGS(call->request->key));
}

/* ---- on the loop thread ---------------------------------------------------------------------- */

static void on_close_later(struct later *later)
{
    struct file_objects *files = container_of(later, struct file_objects, closing);
    void (*on_closed)(void *arg) = files->on_closed;
    void *arg = files->closed_arg;
    close(files->root_fd);
    xfree(files->shared_prefix);
    xfree(files);
    if (on_closed)
        on_closed(arg);
}

static void close_if_idle(struct file_objects *files)
{
    if (files->is_closing && files->calls.count == 0)
        loop_later(files->loop, &files->closing, on_close_later);
}

static void finish(struct call *call)
{
    struct file_objects *files = call->files;
    struct object_request *request = call->request;
    struct error err = call->err;
    bool is_ok = call->is_ok;
    if (atomic_load(&call->is_given_up))
        is_ok = error_set(&err, call->is_cancelled ? ERR_CANCELLED : ERR_SHUTDOWN, "given up");
    if (!is_ok && request->body_fd >= 0) {
        close(request->body_fd);
        request->body_fd = -1;
    }
    list_remove(&files->calls, &call->node);
    request->private_state = NULL;
    file_walk_free(call->walk);
    xfree(call);
    request->on_done(request, is_ok ? NULL : &err);
    close_if_idle(files);
}

static void on_call_done(struct work *work)
{
    struct call *call = container_of(work, struct call, work);
    bool is_list = call->request->verb == OBJECT_LIST;
    bool wants_more = is_list && call->is_ok && call->entry_count;
    if (wants_more && !atomic_load(&call->is_given_up) &&
        call->request->on_entries(call->request, call->entries, call->entry_count) &&
        !atomic_load(&call->is_given_up)) {
        loop_work(call->files->loop, work);
        return;
    }
    finish(call);
}

/* ---- public ---------------------------------------------------------------------------------- */

bool file_is_endpoint(struct text endpoint)
{
    return text_starts_with(endpoint, TEXT("file://"));
}

struct file_objects *file_open(struct loop *loop, const struct objects_options *options,
                               struct error *err)
{
    struct text path = text_slice(options->endpoint, 7, options->endpoint.bytes);
    if (!text_starts_with(path, TEXT("/"))) {
        error_set(err, ERR_CONFIG, "S3_ENDPOINT: file:// wants an absolute path, not \"%.*s\"",
                  TEXT_ARGS(path));
        return NULL;
    }
    if (options->shared_prefix.bytes && !text_ends_with(options->shared_prefix, TEXT("/"))) {
        error_set(err, ERR_CONFIG, "the shared prefix must end in '/'");
        return NULL;
    }
    AUTO_FREE char *terminated = xstrdup(path);
    int root_fd = open(terminated, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root_fd < 0) {
        error_set_errno(err, ERR_CONFIG, errno, terminated);
        error_wrap(err, "S3_ENDPOINT");
        return NULL;
    }
    struct file_objects *files = xcalloc(1, sizeof(*files));
    files->loop = loop;
    files->root_fd = root_fd;
    files->shared_prefix = xstrdup(options->shared_prefix);
    files->bytes_max = options->bytes_max;
    list_init(&files->calls);
    return files;
}

void file_send(struct file_objects *files, struct object_request *request)
{
    struct call *call = xcalloc(1, sizeof(*call));
    call->files = files;
    call->request = request;
    call->work = (struct work){.run = run_call, .on_done = on_call_done};
    request->private_state = call;
    list_push_back(&files->calls, &call->node);
    loop_work(files->loop, &call->work);
}

void file_cancel(struct file_objects *files, struct object_request *request)
{
    (void)files;
    struct call *call = request->private_state;
    call->is_cancelled = true;
    atomic_store(&call->is_given_up, true);
}

void file_close(struct file_objects *files, void (*on_closed)(void *arg), void *arg)
{
    files->is_closing = true;
    files->on_closed = on_closed;
    files->closed_arg = arg;
    LIST_FOR_EACH(&files->calls, node) {
        atomic_store(&container_of(node, struct call, node)->is_given_up, true);
    }
    close_if_idle(files);
}
