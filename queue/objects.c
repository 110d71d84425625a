/* Which of the two kinds of bucket it is, or a link, and what holds for all. */
#include <assert.h>

#include "queue/file.h"
#include "queue/links.h"
#include "queue/object.h"
#include "queue/s3.h"
#include "worker/base/memory.h"

struct objects {
    struct file_objects *files; /* one of the two */
    struct s3 *s3;
    struct links *links;
    void (*on_closed)(void *arg);
    void *closed_arg;
};

static bool open_bucket(struct objects *objects, struct loop *loop,
                        const struct objects_options *options, struct error *err)
{
    if (file_is_endpoint(options->endpoint))
        objects->files = file_open(loop, options, err);
    else
        objects->s3 = s3_open(loop, options, err);
    return objects->files || objects->s3;
}

struct objects *objects_open(struct loop *loop, const struct objects_options *options,
                             struct error *err)
{
    struct objects *objects = xcalloc(1, sizeof(*objects));
    objects->links = links_open(loop, options, err);
    if (objects->links && open_bucket(objects, loop, options, err))
        return objects;
    if (objects->links)
        links_close(objects->links, NULL, NULL);
    xfree(objects);
    return NULL;
}

void objects_send(struct objects *objects, struct object_request *request)
{
    bool is_list = request->verb == OBJECT_LIST;
    assert(is_list || (request->tenant && tenant_owns_key(request->tenant, request->key)));
    assert(!is_list || request->on_entries);
    assert(!request->link.bytes || request->verb == OBJECT_GET || request->verb == OBJECT_HEAD);
    request->body_fd = -1;
    request->body_bytes = 0;
    request->etag[0] = '\0';
    request->modified_ms = 0;
    request->content_type[0] = '\0';
    request->is_unchanged = false;
    request->private_state = request->private_parts = NULL;
    if (request->link.bytes)
        links_send(objects->links, request);
    else if (objects->files)
        file_send(objects->files, request);
    else
        s3_send(objects->s3, request);
}

void objects_cancel(struct objects *objects, struct object_request *request)
{
    if (request->link.bytes)
        links_cancel(objects->links, request);
    else if (objects->files)
        file_cancel(objects->files, request);
    else
        s3_cancel(objects->s3, request);
}

const char *objects_key_source(const struct objects *objects)
{
    return objects->s3 ? s3_key_source(objects->s3) : NULL;
}

static void on_bucket_closed(void *arg)
{
    struct objects *objects = arg;
    void (*on_closed)(void *arg) = objects->on_closed;
    void *closed_arg = objects->closed_arg;
    xfree(objects);
    if (on_closed)
        on_closed(closed_arg);
}

static void on_links_closed(void *arg)
{
    struct objects *objects = arg;
    if (objects->files)
        file_close(objects->files, on_bucket_closed, objects);
    else
        s3_close(objects->s3, on_bucket_closed, objects);
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
    links_close(objects->links, on_links_closed, objects);
}
