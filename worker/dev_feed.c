#include "worker/dev_feed.h"

#include <stdlib.h>
#include <string.h>

#include "queue/event.h"
#include "queue/file.h"
#include "queue/object.h"
#include "queue/topic.h"
#include "queue/watch.h"
#include "store/jobs.h"
#include "store/users.h"
#include "worker/base/log.h"
#include "worker/base/memory.h"

#define RECORDS_MAX 1000 /* produced, not yet with the broker */
#define LAG_MAX 20000    /* unsettled in the broker: it drops silently what exceeds its 5 MiB */
#define EVENT_BYTES_MAX 16384
#define SCAN_DUE_MS 60000

struct sending {
    struct dev_feed *feed;
    struct topic_record record;
    struct header header;
    char job[UUID_TEXT_BYTES];
    char *key;
};

struct scan_job {
    struct uuid user, job;
    size_t first, count; /* into files */
};

struct dev_feed {
    struct app *app;
    struct dev_feed_events events;
    struct watch *watch;
    struct topic *topic;
    struct list waiting;     /* struct dev_file: to be produced */
    struct dev_file **files; /* of the scan */
    size_t file_count, file_max;
    struct scan_job *jobs;
    size_t job_count, job_at;
    struct uuid *users;
    size_t user_count;
    struct users_request users_request;
    struct jobs_register registration;
    struct job_document *documents;
    struct tenant tenant;
    size_t producing;
    size_t asking; /* the database: what it answers comes to a feed that still is there */
    uint64_t sequence;
    uint64_t broker_lag; /* when last told, and what was produced since */
    bool is_scanned, is_registered, is_closing, is_watch_closed;
    void (*on_closed)(void *arg);
    void *closed_arg;
};

/* ---- files ----------------------------------------------------------------------------------- */

static bool add_user(struct dev_feed *feed, struct uuid user)
{
    for (size_t i = 0; i < feed->user_count; i++)
        if (uuid_equal(feed->users[i], user))
            return false;
    feed->users = xrealloc(feed->users, feed->user_count + 1, sizeof(*feed->users));
    feed->users[feed->user_count++] = user;
    return true;
}

/* ---- producing ------------------------------------------------------------------------------- */

static void on_produced(struct topic_record *record, const struct error *err)
{
    struct sending *sending = container_of(record, struct sending, record);
    struct dev_feed *feed = sending->feed;
    feed->producing--;
    if (err && !feed->is_closing)
        feed->events.on_failed(feed->events.arg, err);
    xfree(sending->key);
    xfree(sending);
}

/* The same state of a file is the same event, however often the watcher tells it. */
static void make_sequencer(struct dev_feed *feed, const struct dev_file *file, char ret_hex[17])
{
    uint8_t hash[SHA256_BYTES];
    if (file->is_removed) {
        (void)text_format(
            ret_hex, 17, "%016llx",
            (unsigned long long)(loop_wall_ms(feed->app->loop) * 1000 + feed->sequence++ % 1000));
        return;
    }
    sha256_of(text_from(file->etag), hash);
    hex_format(hash, 8, ret_hex);
}

static void produce(struct dev_feed *feed, const struct dev_file *file)
{
    AUTO_BUFFER struct buffer value = buffer_new(EVENT_BYTES_MAX);
    char sequencer[17];
    struct sending *sending = xcalloc(1, sizeof(*sending));
    make_sequencer(feed, file, sequencer);
    struct event event = {
        .kind = file->is_removed ? EVENT_REMOVED : EVENT_PUT,
        .bucket = TEXT(DEV_BUCKET),
        .key = text_from(file->key),
        .etag = text_from(file->etag),
        .sequencer = text_from(sequencer),
        .size_bytes = file->size_bytes,
        .has_size = !file->is_removed,
        .time_ms = loop_wall_ms(feed->app->loop),
    };
    if (!event_write(&value, &event)) {
        LOG_ERROR("event_not_written", FIELD_STR("reason", "larger than 16 KiB"));
        xfree(sending);
        return;
    }
    sending->feed = feed;
    sending->key = xstrdup(text_from(file->key));
    if (!uuid_is_nil(file->job)) {
        uuid_format(file->job, sending->job);
        sending->header = (struct header){TEXT("millrace-job"), text_from(sending->job)};
        sending->record.headers = &sending->header;
        sending->record.header_count = 1;
    }
    sending->record.topic = TEXT(DEV_TOPIC);
    sending->record.key = text_from(sending->key);
    sending->record.value = buffer_text(&value);
    sending->record.on_done = on_produced;
    feed->producing++;
    topic_produce(feed->topic, &sending->record);
}

static void pump(struct dev_feed *feed)
{
    while (feed->is_registered && !feed->is_closing && feed->producing < RECORDS_MAX &&
           feed->broker_lag < LAG_MAX) {
        struct list_node *node = list_pop_front(&feed->waiting);
        if (!node)
            return;
        struct dev_file *file = container_of(node, struct dev_file, node);
        feed->broker_lag++;
        produce(feed, file);
        xfree(file);
    }
}

void dev_feed_pump(struct dev_feed *feed, uint64_t broker_lag)
{
    feed->broker_lag = broker_lag;
    pump(feed);
}

/* ---- closing: nothing may answer afterwards -------------------------------------------------- */

static void on_topic_closed(void *arg)
{
    struct dev_feed *feed = arg;
    for (struct list_node *node; (node = list_pop_front(&feed->waiting));)
        xfree(container_of(node, struct dev_file, node));
    for (size_t i = 0; i < feed->file_count; i++)
        xfree(feed->files[i]);
    xfree(feed->files);
    xfree(feed->jobs);
    xfree(feed->users);
    xfree(feed->documents);
    feed->on_closed(feed->closed_arg);
    xfree(feed);
}

static void close_when_quiet(struct dev_feed *feed)
{
    if (feed->is_watch_closed && feed->asking == 0)
        topic_close(feed->topic, on_topic_closed, feed);
}

/* False: the feed closes, nobody wants the answer. */
static bool is_answer_wanted(struct dev_feed *feed)
{
    feed->asking--;
    if (feed->is_closing)
        close_when_quiet(feed);
    return !feed->is_closing;
}

/* ---- the first scan: users, one job for each, what is gone ----------------------------------- */

static void group_files(struct dev_feed *feed)
{
    dev_files_sort_by_user(feed->files, feed->file_count);
    feed->jobs = xcalloc(feed->user_count, sizeof(*feed->jobs));
    for (size_t i = 0; i < feed->file_count; i++) {
        struct scan_job *last = feed->job_count ? &feed->jobs[feed->job_count - 1] : NULL;
        if (!last || !uuid_equal(last->user, feed->files[i]->user)) {
            last = &feed->jobs[feed->job_count++];
            *last = (struct scan_job){.user = feed->files[i]->user, .first = i};
        }
        last->count++;
    }
    for (size_t i = 0; i < feed->job_count; i++)
        feed->jobs[i].job = dev_files_job(feed->files + feed->jobs[i].first, feed->jobs[i].count);
}

static void end_scan(struct dev_feed *feed)
{
    size_t file_count = feed->file_count;
    for (size_t i = 0; i < feed->file_count; i++)
        list_push_back(&feed->waiting, &feed->files[i]->node);
    feed->file_count = 0;
    feed->is_registered = true;
    feed->events.on_scanned(feed->events.arg, file_count, feed->job_count);
}

static void fail(struct dev_feed *feed, const struct error *err)
{
    feed->events.on_failed(feed->events.arg, err);
}

static void on_known_key(struct users_request *request, struct uuid user, struct text key)
{
    struct dev_feed *feed = container_of(request, struct dev_feed, users_request);
    struct dev_file *gone = dev_file_gone(user, key);
    if (dev_files_hold(feed->files, feed->file_count, gone->key))
        xfree(gone);
    else
        list_push_back(&feed->waiting, &gone->node);
}

static void on_known_keys(struct users_request *request, const struct error *err)
{
    struct dev_feed *feed = container_of(request, struct dev_feed, users_request);
    if (!is_answer_wanted(feed))
        return;
    if (err)
        fail(feed, err);
    else
        end_scan(feed);
}

static void register_next_job(struct dev_feed *feed);

static void on_registered(struct jobs_register *registration, const struct error *err)
{
    struct dev_feed *feed = container_of(registration, struct dev_feed, registration);
    xfree(feed->documents);
    feed->documents = NULL;
    if (!is_answer_wanted(feed))
        return;
    if (err) {
        fail(feed, err);
        return;
    }
    feed->job_at++;
    register_next_job(feed);
}

static void register_next_job(struct dev_feed *feed)
{
    if (feed->job_at == feed->job_count) {
        dev_files_sort_by_key(feed->files, feed->file_count);
        feed->users_request = (struct users_request){
            .bucket = TEXT(DEV_BUCKET), .on_key = on_known_key, .on_done = on_known_keys};
        feed->asking++;
        users_list_keys(feed->app->pg, &feed->users_request);
        return;
    }
    const struct scan_job *job = &feed->jobs[feed->job_at];
    feed->tenant = tenant_from_user_id(job->user);
    feed->documents = xcalloc(job->count, sizeof(*feed->documents));
    for (size_t i = 0; i < job->count; i++) {
        struct dev_file *file = feed->files[job->first + i];
        struct text name = text_from(file->key);
        for (struct text rest = name; rest.bytes;)
            name = text_cut(rest, '/', &rest);
        file->job = job->job;
        feed->documents[i] = (struct job_document){
            .document = document_of(TEXT(DEV_BUCKET), text_from(file->key)),
            .title = name,
            .source_type = TEXT("upload"),
            .size_bytes = file->size_bytes,
        };
    }
    feed->registration = (struct jobs_register){
        .tenant = &feed->tenant,
        .job = job->job,
        .job_type = TEXT("scan"),
        .config = TEXT("{}"),
        .documents = feed->documents,
        .document_count = job->count,
        .due_ms = SCAN_DUE_MS,
        .on_done = on_registered,
    };
    feed->asking++;
    jobs_register(feed->app->pg, feed->app->loop, &feed->registration);
}

static void on_users_made(struct users_request *request, const struct error *err)
{
    struct dev_feed *feed = container_of(request, struct dev_feed, users_request);
    if (!is_answer_wanted(feed))
        return;
    if (err)
        fail(feed, err);
    else
        register_next_job(feed);
}

static void on_scanned(void *arg)
{
    struct dev_feed *feed = arg;
    if (feed->is_closing)
        return;
    feed->is_scanned = true;
    group_files(feed);
    feed->users_request = (struct users_request){
        .ids = feed->users, .id_count = feed->user_count, .on_done = on_users_made};
    feed->asking++;
    users_ensure(feed->app->pg, &feed->users_request);
}

/* ---- what changes later ---------------------------------------------------------------------- */

struct new_user { /* a users row, made before the first event of a tenant that just appeared */
    struct users_request request;
    struct dev_feed *feed;
    struct uuid id;
    struct dev_file *file;
};

static void on_user_made(struct users_request *request, const struct error *err)
{
    struct new_user *user = container_of(request, struct new_user, request);
    struct dev_feed *feed = user->feed;
    list_push_back(&feed->waiting, &user->file->node);
    xfree(user);
    if (!is_answer_wanted(feed))
        return;
    if (err)
        fail(feed, err);
    else
        pump(feed);
}

static void feed_change(struct dev_feed *feed, struct dev_file *file)
{
    if (feed->is_closing) {
        xfree(file);
        return;
    }
    if (!add_user(feed, file->user)) {
        list_push_back(&feed->waiting, &file->node);
        pump(feed);
        return;
    }
    struct new_user *user = xcalloc(1, sizeof(*user));
    user->feed = feed;
    user->file = file;
    user->id = file->user;
    user->request =
        (struct users_request){.ids = &user->id, .id_count = 1, .on_done = on_user_made};
    feed->asking++;
    users_ensure(feed->app->pg, &user->request);
}

static void on_file(void *arg, const struct watch_file *found)
{
    struct dev_feed *feed = arg;
    struct dev_file *file = dev_file_new(found->path, found->size_bytes, found->etag);
    if (!file)
        return;
    if (feed->is_scanned) {
        feed_change(feed, file);
        return;
    }
    add_user(feed, file->user);
    if (feed->file_count == feed->file_max) {
        feed->file_max = feed->file_max ? feed->file_max * 2 : 64;
        feed->files = xrealloc(feed->files, feed->file_max, sizeof(*feed->files));
    }
    feed->files[feed->file_count++] = file;
}

static void on_removed(void *arg, struct text path)
{
    struct dev_file *file = dev_file_new(path, 0, TEXT_NONE);
    if (!file)
        return;
    file->is_removed = true;
    feed_change(arg, file);
}

/* The rest of the folder goes on being watched. */
static void on_trouble(void *arg, const struct error *err)
{
    (void)arg;
    LOG_WARN("folder_not_watched", FIELD_ERROR(err));
}

static void ignore_closed(void *arg)
{
    (void)arg;
}

/* ---- public ---------------------------------------------------------------------------------- */

struct dev_feed *dev_feed_open(struct app *app, const struct queue_options *options,
                               struct text directory, struct dev_feed_events events,
                               struct error *err)
{
    struct dev_feed *feed = xcalloc(1, sizeof(*feed));
    feed->app = app;
    feed->events = events;
    list_init(&feed->waiting);
    feed->topic = topic_open(app->loop, options, err);
    if (!feed->topic) {
        xfree(feed);
        return NULL;
    }
    feed->watch =
        watch_open(app->loop, directory,
                   (struct watch_events){feed, on_file, on_removed, on_scanned, on_trouble}, err);
    if (feed->watch)
        return feed;
    dev_feed_close(feed, ignore_closed, NULL);
    return NULL;
}

size_t dev_feed_job_count(const struct dev_feed *feed)
{
    return feed->job_count;
}

struct uuid dev_feed_job(const struct dev_feed *feed, size_t index, struct uuid *ret_user)
{
    *ret_user = feed->jobs[index].user;
    return feed->jobs[index].job;
}

bool dev_feed_is_idle(const struct dev_feed *feed)
{
    return feed->is_registered && feed->waiting.count == 0 && feed->producing == 0;
}

static void on_watch_closed(void *arg)
{
    struct dev_feed *feed = arg;
    feed->is_watch_closed = true;
    close_when_quiet(feed);
}

void dev_feed_close(struct dev_feed *feed, void (*on_closed)(void *arg), void *arg)
{
    feed->is_closing = true;
    feed->on_closed = on_closed;
    feed->closed_arg = arg;
    if (feed->watch)
        watch_close(feed->watch, on_watch_closed, feed);
    else
        on_watch_closed(feed);
}
