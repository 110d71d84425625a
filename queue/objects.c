/* Which of the two kinds of bucket it is, and what holds for both. */
#include <assert.h>

#include "queue/file.h"
#include "queue/object.h"
#include "queue/s3.h"
#include "worker/base/memory.h"

struct objects {
    struct file_objects *files; /* one of the two */
    struct s3 *s3;
    void (*on_closed)(void *arg);
    void *closed_arg;
};

struct objects *objects_open(struct loop *loop, const struct objects_options *options,
                             struct error *err)
{
    struct objects *objects = xcalloc(1, sizeof(*objects));
    if (file_is_endpoint(options->endpoint))
        objects->files = file_open(loop, options, err);
    else
        objects->s3 = s3_open(loop, options, err);
    if (objects->files || objects->s3)
        return objects;
    xfree(objects);
    return NULL;
}

void objects_send(struct objects *objects, struct object_request *request)
{
    bool is_list = request->verb == OBJECT_LIST;
    assert(is_list || (request->tenant && tenant_owns_key(request->tenant, request->key)));
    assert(!is_list || request->on_entries);
    request->body_fd = -1;
    request->body_bytes = 0;
    request->etag[0] = '\0';
    request->modified_ms = 0;
    request->content_type[0] = '\0';
    request->is_unchanged = false;
    request->private_state = request->private_parts = NULL;
    if (objects->files)
        file_send(objects->files, request);
    else
        s3_send(objects->s3, request);
}

void objects_cancel(struct objects *objects, struct object_request *request)
{
    if (objects->files)
        file_cancel(objects->files, request);
    else
        s3_cancel(objects->s3, request);
}

static void on_driver_closed(void *arg)
{
    struct objects *objects = arg;
    void (*on_closed)(void *arg) = objects->on_closed;
    void *closed_arg = objects->closed_arg;
    xfree(objects);
    if (on_closed)
        on_closed(closed_arg);
}

void objects_close(struct objects *objects, void (*on_closed)(void *arg), void *arg)
{
    if (!objects) {
        if (on_closed)
            on_closed(arg);
        return;
    }
    objects->on_closed = on_closed;
    objects->closed_arg = arg;
    if (objects->files)
        file_close(objects->files, on_driver_closed, objects);
    else
        s3_close(objects->s3, on_driver_closed, objects);
}
