/*
 * dev_feed.h - turns the files of a watched folder into events, as a bucket's notifications would.
 *
 * The first scan is registered as one job per tenant (the same scan again is the same job), what
 * changes later are bare events. Files below users/<uuid>/ belong to that tenant, all others to the
 * tenant `demo`; their users rows are made. What was there at the last run and is gone now becomes
 * a removal. Nothing is ever written into the folder.
 * Owns:   the watcher and the producer.
 * Thread: the loop thread.
 */
#ifndef WORKER_DEV_FEED_H
#define WORKER_DEV_FEED_H

#include "queue/queue.h"
#include "worker/app.h"
#include "worker/dev_file.h"

#define DEV_BUCKET "dev"
#define DEV_TOPIC "uploads"

struct dev_feed;
struct dev_feed_events {
    void *arg;
    /* The scan is registered: so many files of so many jobs. */
    void (*on_scanned)(void *arg, size_t file_count, size_t job_count);
    void (*on_failed)(void *arg, const struct error *err);
};

/* in_flight tells how many messages the broker holds unsettled: feeding stays below its bound. */
struct dev_feed *dev_feed_open(struct app *app, const struct queue_options *options,
                               struct text directory, struct dev_feed_events events,
                               struct error *err) MUST_CHECK;
void dev_feed_pump(struct dev_feed *feed, uint64_t broker_lag); /* now and then: sends what waits */
size_t dev_feed_job_count(const struct dev_feed *feed);
struct uuid dev_feed_job(const struct dev_feed *feed, size_t index, struct uuid *ret_user);
bool dev_feed_is_idle(const struct dev_feed *feed); /* scanned, registered, everything produced */
void dev_feed_close(struct dev_feed *feed, void (*on_closed)(void *arg), void *arg);

#endif
