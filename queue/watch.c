#include "queue/watch.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <search.h>
#include <stdalign.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>
#include <uv.h>

#include "queue/beneath.h"
#include "queue/watch_tree.h"
#include "worker/base/memory.h"

#define PATH_BYTES_MAX 65536
#define EVENT_BYTES ((size_t)64 * 1024)
#define READS_PER_TURN 8
#define ENTRIES_PER_TURN 512 /* a big scan must not hold up the loop */
#define WATCHED                                                                              \
    (IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF | \
     IN_ONLYDIR | IN_EXCL_UNLINK)

struct watch {
    struct loop *loop;
    struct watch_events events;
    int root_fd, inotify_fd;
    uv_poll_t poll;
    struct watch_folder *root;
    void *wd_index; /* struct watch_folder by wd */
    struct list waiting;
    struct watch_folder *scanned; /* being read now */
    DIR *stream;
    uint64_t scan_count;
    struct later scanning;
    struct buffer path;
    bool was_scanned, is_closing;
    void (*on_closed)(void *arg);
    void *closed_arg;
};

static int compare_wds(const void *left, const void *right)
{
    const struct watch_folder *a = left, *b = right;
    return (a->wd > b->wd) - (a->wd < b->wd);
}

static struct watch_folder *find_by_wd(const struct watch *watch, int wd)
{
    struct watch_folder wanted = {.wd = wd};
    void *found = tfind(&wanted, &watch->wd_index, compare_wds);
    return found ? *(struct watch_folder **)found : NULL;
}

static struct text path_of(struct watch *watch, const struct watch_folder *folder, const char *name)
{
    watch_path(folder, name, &watch->path);
    return buffer_text(&watch->path);
}

static void say_trouble(struct watch *watch, const struct error *err)
{
    if (watch->events.on_trouble && !watch->is_closing)
        watch->events.on_trouble(watch->events.arg, err);
}

/* ---- forgetting ------------------------------------------------------------------------------ */

static void forget_file(struct watch *watch, struct watch_entry *entry)
{
    struct watch_folder *folder = entry->folder;
    bool was_reported = entry->etag[0] != '\0';
    AUTO_BUFFER struct buffer path = buffer_new(PATH_BYTES_MAX);
    watch_path(folder, entry->name, &path);
    watch_entry_free(entry);
    if (was_reported && !watch->is_closing)
        watch->events.on_removed(watch->events.arg, buffer_text(&path));
}

static void drop_wd(struct watch *watch, struct watch_folder *folder)
{
    if (folder->wd < 0)
        return;
    tdelete(folder, &watch->wd_index, compare_wds);
    /* Fails when the folder is gone already, which is as good. */
    (void)inotify_rm_watch(watch->inotify_fd, folder->wd);
    folder->wd = -1;
}

static void end_scan_of(struct watch *watch, struct watch_folder *folder)
{
    if (list_is_member(&folder->waiting))
        list_remove(&watch->waiting, &folder->waiting);
    if (watch->scanned != folder)
        return;
    closedir(watch->stream);
    watch->stream = NULL;
    watch->scanned = NULL;
}

static void empty_folder(struct watch *watch, struct watch_folder *folder)
{
    end_scan_of(watch, folder);
    drop_wd(watch, folder);
    LIST_FOR_EACH(&folder->files, node) {
        forget_file(watch, container_of(node, struct watch_entry, node));
    }
}

/* With everything below it, the deepest first. */
static void forget_folder(struct watch *watch, struct watch_folder *folder)
{
    for (struct watch_folder *at = folder;;) {
        struct list_node *below = list_first(&at->folders);
        if (below) {
            at = container_of(below, struct watch_folder, node);
            continue;
        }
        struct watch_folder *parent = at->parent;
        bool is_last = at == folder;
        empty_folder(watch, at);
        watch_folder_free(at);
        if (is_last)
            return;
        at = parent;
    }
}

/* ---- one file -------------------------------------------------------------------------------- */

static void report_file(struct watch *watch, struct watch_entry *entry, const struct stat *status)
{
    char etag[sizeof(entry->etag)];
    beneath_etag(status, etag);
    if (entry->is_certain && strcmp(etag, entry->etag) == 0)
        return;
    memcpy(entry->etag, etag, sizeof(etag));
    entry->is_certain = beneath_age_ms(status) >= BENEATH_TICK_MS;
    struct watch_file file = {.path = path_of(watch, entry->folder, entry->name),
                              .size_bytes = (uint64_t)status->st_size,
                              .modified_ms = beneath_modified_ms(status),
                              .etag = text_from(etag)};
    watch->events.on_file(watch->events.arg, &file);
}

enum look { LOOK_WRITTEN, LOOK_CREATED, LOOK_SCANNED };

static void look_at_file(struct watch *watch, struct watch_folder *folder, const char *name,
                         enum look look)
{
    struct watch_entry *entry = watch_entry_find(folder, name);
    struct text path = path_of(watch, folder, name);
    AUTO_FD int fd = beneath_open(watch->root_fd, path, O_PATH);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0 || !S_ISREG(status.st_mode)) {
        if (entry)
            forget_file(watch, entry);
        return;
    }
    if (!entry)
        entry = watch_entry_new(folder, name);
    entry->seen = folder->scan;
    char etag[sizeof(entry->etag)];
    bool is_known = strcmp(beneath_etag(&status, etag), entry->etag) == 0;
    if (look == LOOK_SCANNED && is_known)
        return;
    /* A new file is reported when it is closed; a new name of an old one (a hard link) never is. */
    if (look == LOOK_CREATED && status.st_nlink < 2)
        return;
    if (look != LOOK_WRITTEN && beneath_is_being_written(watch->root_fd, path))
        return;
    report_file(watch, entry, &status);
}

/* ---- scanning -------------------------------------------------------------------------------- */

static void scan_some(struct later *later);

static void scan_soon(struct watch *watch)
{
    if (!watch->is_closing && !list_is_member(&watch->scanning.waiting))
        loop_later(watch->loop, &watch->scanning, scan_some);
}

static void want_scan(struct watch *watch, struct watch_folder *folder)
{
    if (watch->scanned == folder)
        end_scan_of(watch, folder);
    if (!list_is_member(&folder->waiting))
        list_push_back(&watch->waiting, &folder->waiting);
    scan_soon(watch);
}

static void found_folder(struct watch *watch, struct watch_folder *parent, const char *name)
{
    struct watch_folder *folder = watch_folder_find(parent, name);
    if (!folder)
        folder = watch_folder_new(parent, name);
    folder->seen = parent->scan;
    want_scan(watch, folder);
}

static bool refuse_watch(int errno_value, struct error *err)
{
    if (errno_value == ENOSPC)
        return error_set(err, ERR_CONFIG,
                         "the limit of watched folders is used up: raise "
                         "fs.inotify.max_user_watches (sysctl)");
    return error_set_errno(err, ERR_IO, errno_value, "inotify_add_watch");
}

static int add_wd(const struct watch *watch, int fd)
{
    /* By descriptor: a path could lead elsewhere meanwhile. */
    char path[64];
    (void)text_format(path, sizeof(path), "/proc/self/fd/%d", fd);
    return inotify_add_watch(watch->inotify_fd, path, WATCHED);
}

static bool is_below(const struct watch_folder *folder, const struct watch_folder *above)
{
    while (folder && folder != above)
        folder = folder->parent;
    return folder != NULL;
}

/* Before it is read, so that nothing is missed in between. */
static bool watch_folder_at(struct watch *watch, struct watch_folder *folder, int fd,
                            struct error *err)
{
    int wd = add_wd(watch, fd);
    struct watch_folder *other = wd < 0 ? NULL : find_by_wd(watch, wd);
    if (other && other == folder)
        return true;
    if (other && is_below(folder, other))
        return error_set(err, ERR_IO, "it is mounted below itself");
    if (other) {
        /* It was moved here and the event of its leaving is still to come. */
        forget_folder(watch, other);
        wd = add_wd(watch, fd);
    }
    if (wd < 0)
        return refuse_watch(errno, err);
    drop_wd(watch, folder); /* another folder had this name */
    folder->wd = wd;
    void *added = tsearch(folder, &watch->wd_index, compare_wds);
    assert(added && *(struct watch_folder **)added == folder);
    return true;
}

static void start_scan(struct watch *watch, struct watch_folder *folder)
{
    struct error err;
    int fd = beneath_open(watch->root_fd, path_of(watch, folder, NULL), O_RDONLY | O_DIRECTORY);
    if (fd < 0 && folder->parent && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)) {
        forget_folder(watch, folder);
        return;
    }
    watch->stream = fd < 0 ? NULL : fdopendir(fd);
    if (!watch->stream) {
        error_set_errno(&err, ERR_IO, errno, "cannot be read");
        error_wrap(&err, "folder \"%.*s\"", TEXT_ARGS(buffer_text(&watch->path)));
        if (fd >= 0)
            close(fd);
        say_trouble(watch, &err);
        return;
    }
    watch->scanned = folder;
    folder->scan = ++watch->scan_count;
    if (watch_folder_at(watch, folder, fd, &err))
        return;
    error_wrap(&err, "folder \"%.*s\"", TEXT_ARGS(path_of(watch, folder, NULL)));
    if (err.code != ERR_CONFIG) /* past the limit what is there is at least found */
        end_scan_of(watch, folder);
    say_trouble(watch, &err);
}

/* What the scan did not meet is gone. */
static void end_scan(struct watch *watch, struct watch_folder *folder)
{
    end_scan_of(watch, folder);
    LIST_FOR_EACH(&folder->files, node) {
        struct watch_entry *entry = container_of(node, struct watch_entry, node);
        if (entry->seen != folder->scan)
            forget_file(watch, entry);
    }
    LIST_FOR_EACH(&folder->folders, node) {
        struct watch_folder *below = container_of(node, struct watch_folder, node);
        if (below->seen != folder->scan)
            forget_folder(watch, below);
    }
}

static void visit(struct watch *watch, struct watch_folder *folder, const struct dirent *entry)
{
    struct stat status;
    if (entry->d_name[0] == '.')
        return;
    bool is_folder = entry->d_type == DT_DIR;
    if (entry->d_type == DT_UNKNOWN)
        is_folder =
            fstatat(dirfd(watch->stream), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(status.st_mode);
    if (is_folder)
        found_folder(watch, folder, entry->d_name);
    else
        look_at_file(watch, folder, entry->d_name, LOOK_SCANNED);
}

static void finish_first_scan(struct watch *watch)
{
    if (watch->was_scanned)
        return;
    watch->was_scanned = true;
    watch->events.on_scanned(watch->events.arg);
}

static void scan_some(struct later *later)
{
    struct watch *watch = container_of(later, struct watch, scanning);
    for (unsigned i = 0; i < ENTRIES_PER_TURN && !watch->is_closing; i++) {
        struct list_node *next = watch->scanned ? NULL : list_pop_front(&watch->waiting);
        if (next)
            start_scan(watch, container_of(next, struct watch_folder, waiting));
        if (!watch->scanned && watch->waiting.count == 0) {
            finish_first_scan(watch);
            return;
        }
        if (!watch->scanned)
            continue;
        assert(watch->stream); /* open as long as a folder is being scanned */
        struct dirent *entry = readdir(watch->stream);
        if (entry)
            visit(watch, watch->scanned, entry);
        else
            end_scan(watch, watch->scanned);
    }
    scan_soon(watch);
}

/* ---- inotify --------------------------------------------------------------------------------- */

static void on_folder_event(struct watch *watch, struct watch_folder *folder,
                            const struct inotify_event *event)
{
    struct watch_folder *below = watch_folder_find(folder, event->name);
    if (event->mask & (IN_MOVED_FROM | IN_DELETE)) {
        if (below)
            forget_folder(watch, below);
    } else if (event->mask & (IN_MOVED_TO | IN_CREATE)) {
        found_folder(watch, folder, event->name);
    }
}

static void on_root_lost(struct watch *watch)
{
    struct error err;
    error_set(&err, ERR_IO, "the watched directory itself is gone");
    say_trouble(watch, &err);
}

static void on_event(struct watch *watch, const struct inotify_event *event)
{
    if (event->mask & IN_Q_OVERFLOW) {
        want_scan(watch, watch->root);
        return;
    }
    struct watch_folder *folder = find_by_wd(watch, event->wd);
    if (!folder)
        return; /* of a watch that was removed while the event was on its way */
    if (event->mask & IN_DELETE_SELF && folder == watch->root) {
        on_root_lost(watch);
        return;
    }
    if (event->len == 0 || event->name[0] == '.')
        return;
    if (event->mask & IN_ISDIR)
        on_folder_event(watch, folder, event);
    else if (event->mask & (IN_CLOSE_WRITE | IN_MOVED_TO))
        look_at_file(watch, folder, event->name, LOOK_WRITTEN);
    else if (event->mask & (IN_MOVED_FROM | IN_DELETE)) /* there may be a new one already */
        look_at_file(watch, folder, event->name, LOOK_SCANNED);
    else if (event->mask & IN_CREATE)
        look_at_file(watch, folder, event->name, LOOK_CREATED);
}

static void on_readable(uv_poll_t *poll, int status, int uv_events)
{
    (void)status; /* an error shows in read() as well */
    (void)uv_events;
    struct watch *watch = container_of(poll, struct watch, poll);
    alignas(struct inotify_event) char events[EVENT_BYTES];
    for (unsigned i = 0; i < READS_PER_TURN && !watch->is_closing; i++) {
        ssize_t bytes = read(watch->inotify_fd, events, sizeof(events));
        if (bytes <= 0)
            return;
        for (size_t at = 0; at < (size_t)bytes && !watch->is_closing;) {
            const struct inotify_event *event = (const void *)(events + at);
            on_event(watch, event);
            at += sizeof(*event) + event->len;
        }
    }
}

/* ---- public ---------------------------------------------------------------------------------- */

static void free_watch(struct watch *watch)
{
    if (watch->root)
        forget_folder(watch, watch->root);
    if (watch->inotify_fd >= 0)
        close(watch->inotify_fd);
    if (watch->root_fd >= 0)
        close(watch->root_fd);
    buffer_release(&watch->path);
    xfree(watch);
}

static bool open_both(struct watch *watch, struct text directory, struct error *err)
{
    AUTO_FREE char *path = xstrdup(directory);
    watch->root_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (watch->root_fd < 0)
        return error_set_errno(err, ERR_CONFIG, errno, path);
    watch->inotify_fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->inotify_fd < 0 && errno == EMFILE)
        return error_set(err, ERR_CONFIG,
                         "the limit of inotify instances is used up: raise "
                         "fs.inotify.max_user_instances (sysctl)");
    if (watch->inotify_fd < 0)
        return error_set_errno(err, ERR_IO, errno, "inotify_init1");
    if (watch_folder_at(watch, watch->root, watch->root_fd, err))
        return true;
    return error_wrap(err, "%s", path);
}

struct watch *watch_open(struct loop *loop, struct text directory, struct watch_events events,
                         struct error *err)
{
    struct watch *watch = xcalloc(1, sizeof(*watch));
    watch->loop = loop;
    watch->events = events;
    watch->root_fd = watch->inotify_fd = -1;
    watch->path = buffer_new(PATH_BYTES_MAX);
    watch->root = watch_folder_new(NULL, "");
    list_init(&watch->waiting);
    bool is_open = open_both(watch, directory, err);
    int status = is_open ? uv_poll_init(loop_uv(loop), &watch->poll, watch->inotify_fd) : 0;
    if (status != 0)
        is_open = error_set(err, ERR_IO, "uv_poll_init: %s", uv_strerror(status));
    if (!is_open) {
        watch->is_closing = true;
        free_watch(watch);
        return NULL;
    }
    uv_poll_start(&watch->poll, UV_READABLE, on_readable);
    want_scan(watch, watch->root);
    return watch;
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct watch *watch = container_of((uv_poll_t *)handle, struct watch, poll);
    void (*on_closed)(void *arg) = watch->on_closed;
    void *arg = watch->closed_arg;
    free_watch(watch);
    if (on_closed)
        on_closed(arg);
}

void watch_close(struct watch *watch, void (*on_closed)(void *arg), void *arg)
{
    assert(!watch->is_closing);
    watch->is_closing = true;
    watch->on_closed = on_closed;
    watch->closed_arg = arg;
    later_cancel(watch->loop, &watch->scanning);
    uv_close((uv_handle_t *)&watch->poll, on_poll_closed);
}
