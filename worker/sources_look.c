/* What lies elsewhere: prefixes are listed, one after another; objects and links are looked at,
 * several at once. */
#include <string.h>

#include "queue/object.h"
#include "worker/base/memory.h"
#include "worker/cmd_ask.h"
#include "worker/sources_private.h"

#define LANES 16

/* ---- prefixes -------------------------------------------------------------------------------- */

struct listing {
    struct sources *sources;
    const struct source_prefix *prefix;
    struct object_request request;
    struct wait wait;
    size_t found_count;
};

/* The object itself, or one of the folder: reports2/ is not below reports. */
static bool is_below(struct text key, struct text prefix)
{
    return text_starts_with(key, prefix) &&
           (key.bytes == prefix.bytes || key.start[prefix.bytes] == '/');
}

static void take_entry(struct listing *listing, const struct object_entry *entry)
{
    const struct source_prefix *prefix = listing->prefix;
    uint64_t bytes_max = listing->sources->options.config->file_bytes_max;
    AUTO_BUFFER struct buffer name = buffer_new(4096);
    if (!is_below(entry->key, text_from(prefix->key)))
        return;
    listing->found_count++;
    buffer_format(&name, "s3://%.*s/%.*s", TEXT_ARGS(prefix->bucket), TEXT_ARGS(entry->key));
    if (text_ends_with(entry->key, TEXT("/")))
        sources_skip(listing->sources, buffer_text(&name), "it stands for a folder");
    else if (entry->size_bytes == 0)
        sources_skip(listing->sources, buffer_text(&name), "it is empty");
    else if (entry->size_bytes > bytes_max)
        sources_skip(listing->sources, buffer_text(&name),
                     "it is larger than MILLRACE_FILE_BYTES_MAX allows");
    else
        sources_take(listing->sources,
                     &(struct source){.kind = SOURCE_OBJECT,
                                      .name = xstrdup(buffer_text(&name)),
                                      .etag = xstrdup(entry->etag),
                                      .bucket = prefix->bucket,
                                      .bytes = entry->size_bytes,
                                      .modified_ms = entry->modified_ms},
                     entry->key);
}

static bool on_entries(struct object_request *request, const struct object_entry *entries,
                       size_t count)
{
    struct listing *listing = container_of(request, struct listing, request);
    for (size_t i = 0; i < count; i++)
        take_entry(listing, &entries[i]);
    return true;
}

static void on_listed(struct object_request *request, const struct error *err)
{
    wait_done(&container_of(request, struct listing, request)->wait, err);
}

static bool list(struct sources *sources, struct app *app, const struct source_prefix *prefix,
                 struct error *err)
{
    struct listing listing = {.sources = sources,
                              .prefix = prefix,
                              .request = {.verb = OBJECT_LIST,
                                          .tenant = sources->options.tenant,
                                          .bucket = prefix->bucket,
                                          .key = text_from(prefix->key),
                                          .on_entries = on_entries,
                                          .on_done = on_listed},
                              .wait = wait_on(app->loop)};
    objects_send(app->objects, &listing.request);
    if (!wait_for(&listing.wait, 0, err))
        return error_wrap(err, "%s", prefix->name);
    if (listing.found_count == 0)
        sources_fault(sources, (struct source_place){0}, "%s: nothing lies there", prefix->name);
    return true;
}

/* ---- objects and links ----------------------------------------------------------------------- */

struct looking;
struct look_lane {
    struct looking *looking;
    struct source *source;
    struct object_request request;
};
struct looking {
    struct sources *sources;
    struct app *app;
    size_t next, busy_count;
    struct look_lane lanes[LANES];
    struct wait wait;
    bool has_failed;
    struct error err;
};

static void look_at_next(struct look_lane *lane);

/* A login page, mostly: what is named a PDF and comes as a web page. */
static bool is_web_page(const struct source *source, const char *content_type)
{
    struct text key = text_from(source->key);
    struct text ending = text_slice(key, key.bytes - 4, key.bytes); /* keys are longer than that */
    return text_equal_nocase(ending, TEXT(".pdf")) &&
           text_equal_nocase(text_slice(text_from(content_type), 0, TEXT("text/html").bytes),
                             TEXT("text/html"));
}

static void take_look(struct look_lane *lane)
{
    struct source *source = lane->source;
    struct sources *sources = lane->looking->sources;
    const struct object_request *seen = &lane->request;
    source->needs_look = false;
    if (source->kind == SOURCE_LINK) {
        if (is_web_page(source, seen->content_type))
            sources_fault(sources, source->place,
                          "%s: its host answers with a web page, not a PDF: take a fresh link that "
                          "needs no login",
                          source->name);
        return;
    }
    source->bytes = seen->body_bytes;
    source->etag = xstrdup(text_from(seen->etag));
    source->modified_ms = seen->modified_ms;
    sources->bytes += source->bytes;
    if (source->bytes == 0)
        sources_fault(sources, source->place, "%s: it is empty", source->name);
    else if (source->bytes > sources->options.config->file_bytes_max)
        sources_fault(sources, source->place,
                      "%s: it is larger than MILLRACE_FILE_BYTES_MAX allows", source->name);
}

static void take_failure(struct look_lane *lane, const struct error *err)
{
    struct looking *looking = lane->looking;
    const struct source *source = lane->source;
    struct text remedy = text_from(error_remedy(err->code));
    size_t promise; /* a worker keeps it, here nothing has been taken yet */
    if (text_find(remedy, TEXT("; the work "), &promise))
        remedy = text_slice(remedy, 0, promise);
    if (source->kind == SOURCE_LINK)
        sources_fault(looking->sources, source->place, "%s: %s. %.*s", source->name, err->message,
                      TEXT_ARGS(remedy));
    else if (err->code == ERR_GONE)
        sources_fault(looking->sources, source->place, "%s: there is no such object", source->name);
    else if (!looking->has_failed) {
        looking->err = *err;
        error_wrap(&looking->err, "%s", source->name);
        looking->has_failed = true;
    }
}

static void on_looked(struct object_request *request, const struct error *err)
{
    struct look_lane *lane = container_of(request, struct look_lane, request);
    if (err)
        take_failure(lane, err);
    else
        take_look(lane);
    lane->looking->busy_count--;
    look_at_next(lane);
}

static void look_at_next(struct look_lane *lane)
{
    struct looking *looking = lane->looking;
    struct sources *sources = looking->sources;
    while (looking->next < sources->count && !sources->items[looking->next].needs_look)
        looking->next++;
    if (looking->has_failed || looking->next == sources->count) {
        if (looking->busy_count == 0)
            wait_done(&looking->wait, looking->has_failed ? &looking->err : NULL);
        return;
    }
    lane->source = &sources->items[looking->next++];
    lane->request = (struct object_request){.verb = OBJECT_HEAD,
                                            .tenant = sources->options.tenant,
                                            .bucket = lane->source->bucket,
                                            .key = text_from(lane->source->key),
                                            .link = text_from(lane->source->link),
                                            .on_done = on_looked};
    looking->busy_count++;
    objects_send(looking->app->objects, &lane->request);
}

bool sources_look(struct sources *sources, struct app *app, struct error *err)
{
    struct looking *looking = xcalloc(1, sizeof(*looking));
    bool is_good = true;
    for (size_t i = 0; is_good && i < sources->prefix_count; i++)
        is_good = list(sources, app, &sources->prefixes[i], err);
    *looking = (struct looking){.sources = sources, .app = app, .wait = wait_on(app->loop)};
    for (size_t i = 0; is_good && i < LANES; i++) {
        looking->lanes[i].looking = looking;
        look_at_next(&looking->lanes[i]);
    }
    is_good = is_good && wait_for(&looking->wait, 0, err);
    xfree(looking);
    return is_good;
}
