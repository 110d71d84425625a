#include <libpq-fe.h>
#include <netdb.h>
#include <string.h>
#include <uv.h>

#include "store/pg_internal.h"
#include "worker/base/memory.h"

#define BACK_OFF_MS_MIN 100
#define BACK_OFF_MS_MAX 5000
#define STABLE_MS 5000 /* a connection that lived this long ends a row of failures */
#define SERVER_VERSION_MIN 130000

/* The handle outlives the link's interest in it: uv_close answers later. */
struct pg_poll {
    uv_poll_t uv;
    struct pg_link *link;
};

/* Looks up one host after another; a name gives as many entries as it has addresses. */
struct pg_lookup {
    uv_getaddrinfo_t uv;
    struct pg_link *link; /* NULL: nobody waits any more */
    size_t host_at;
    size_t found_count;
    struct buffer hosts, addresses, ports; /* comma-separated, one entry each */
    struct error err;                      /* of the last name that could not be found */
};

static void attempt(struct pg_link *link);
static void on_poll(uv_poll_t *uv, int status, int events);

/* ---- the poll handle ------------------------------------------------------------------------- */

static void on_poll_closed(uv_handle_t *handle)
{
    xfree(container_of((uv_poll_t *)handle, struct pg_poll, uv));
}

static void poll_stop(struct pg_link *link)
{
    if (!link->poll)
        return;
    link->poll->link = NULL;
    uv_close((uv_handle_t *)&link->poll->uv, on_poll_closed);
    link->poll = NULL;
}

/* A new handle each time: the descriptor may change between the steps of a connect. */
static bool poll_start(struct pg_link *link, int events, struct error *err)
{
    struct pg_poll *poll = xcalloc(1, sizeof(*poll));
    int status = uv_poll_init(loop_uv(link->loop), &poll->uv, PQsocket(link->conn));
    if (status != 0) {
        xfree(poll);
        return error_set(err, ERR_UNREACHABLE, "PostgreSQL: socket: %s", uv_strerror(status));
    }
    poll->link = link;
    link->poll = poll;
    status = uv_poll_start(&poll->uv, events, on_poll);
    assert(status == 0); /* only EBADF exists, and uv_poll_init has looked */
    return true;
}

/* ---- ends ------------------------------------------------------------------------------------ */

static void drop(struct pg_link *link)
{
    poll_stop(link);
    timer_stop(link->loop, &link->timer);
    if (link->lookup) {
        link->lookup->link = NULL;
        (void)uv_cancel((uv_req_t *)&link->lookup->uv); /* or it answers to nobody */
        link->lookup = NULL;
    }
    PQfinish(link->conn);
    link->conn = NULL;
    link->wants_write = false;
    link->state = LINK_IDLE;
}

static void on_back_off_over(struct timer *timer)
{
    attempt(container_of(timer, struct pg_link, timer));
}

void pg_link_fail(struct pg_link *link, const struct error *err)
{
    bool was_up = link->state == LINK_UP;
    drop(link);
    if (was_up && loop_now_ms(link->loop) - link->up_ms >= STABLE_MS)
        link->failure_count = 0;
    uint32_t shift = link->failure_count < 6 ? link->failure_count : 6;
    uint64_t delay_ms = (uint64_t)BACK_OFF_MS_MIN << shift;
    delay_ms = delay_ms < BACK_OFF_MS_MAX ? delay_ms : BACK_OFF_MS_MAX;
    delay_ms = delay_ms / 2 + rng_below(loop_rng(link->loop), delay_ms / 2);
    link->failure_count++;
    link->state = LINK_BACKING_OFF;
    timer_start(link->loop, &link->timer, delay_ms, on_back_off_over);
    link->on_down(link, was_up, err);
}

static void on_attempt_timeout(struct timer *timer)
{
    struct pg_link *link = container_of(timer, struct pg_link, timer);
    struct error err;
    error_set(&err, ERR_UNREACHABLE, "PostgreSQL: no connection within %llu ms (%s)",
              (unsigned long long)link->connect_timeout_ms,
              link->state == LINK_RESOLVING ? "looking up its name" : "connecting");
    pg_link_fail(link, &err);
}

bool pg_link_error(const struct pg_link *link, struct error *err)
{
    return pg_error_of_connection(PQerrorMessage(link->conn), err);
}

static void fail_with_its_words(struct pg_link *link)
{
    struct error err;
    pg_link_error(link, &err);
    pg_link_fail(link, &err);
}

/* ---- connecting ------------------------------------------------------------------------------ */

static void ignore_notice(void *arg, const PGresult *result)
{
    (void)arg; /* "relation exists, skipping": nothing a service should print */
    (void)result;
}

static void become_up(struct pg_link *link)
{
    struct error err;
    if (PQserverVersion(link->conn) < SERVER_VERSION_MIN) {
        error_set(&err, ERR_DATABASE, "PostgreSQL %d is too old: 13 or newer is needed",
                  PQserverVersion(link->conn) / 10000);
        pg_link_fail(link, &err);
        return;
    }
    if (PQsetnonblocking(link->conn, 1) != 0) {
        fail_with_its_words(link);
        return;
    }
    if (!poll_start(link, UV_READABLE, &err)) {
        pg_link_fail(link, &err);
        return;
    }
    timer_stop(link->loop, &link->timer);
    link->state = LINK_UP;
    link->up_ms = loop_now_ms(link->loop);
    link->on_up(link);
}

static void step_connect(struct pg_link *link)
{
    struct error err;
    poll_stop(link); /* before libpq may close the descriptor */
    PostgresPollingStatusType status = PQconnectPoll(link->conn);
    if (status == PGRES_POLLING_OK) {
        become_up(link);
        return;
    }
    if (status == PGRES_POLLING_FAILED) {
        fail_with_its_words(link);
        return;
    }
    if (!poll_start(link, status == PGRES_POLLING_READING ? UV_READABLE : UV_WRITABLE, &err))
        pg_link_fail(link, &err);
}

static void on_poll(uv_poll_t *uv, int status, int events)
{
    struct pg_link *link = container_of(uv, struct pg_poll, uv)->link;
    (void)status; /* an error of the socket: libpq finds it when it reads, and says what */
    (void)events;
    if (!link)
        return;
    if (link->state == LINK_UP)
        link->on_ready(link);
    else
        step_connect(link);
}

static void connect_to(struct pg_link *link, const char *hosts, const char *addresses,
                       const char *ports)
{
    const char *keywords[PG_SETTINGS_MAX + 4];
    const char *values[PG_SETTINGS_MAX + 4];
    size_t count = 0;
    const char *places[3][2] = {{"host", hosts}, {"hostaddr", addresses}, {"port", ports}};
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        keywords[count] = places[i][0];
        values[count] = places[i][1];
        count += places[i][1] != NULL;
    }
    for (size_t i = 0; i < link->target->setting_count; i++) {
        keywords[count] = link->target->keywords[i];
        values[count++] = link->target->values[i];
    }
    keywords[count] = values[count] = NULL;
    link->state = LINK_CONNECTING;
    link->conn = PQconnectStartParams(keywords, values, 0);
    if (!link->conn || PQstatus(link->conn) == CONNECTION_BAD) {
        fail_with_its_words(link);
        return;
    }
    PQsetErrorVerbosity(link->conn, PQERRORS_VERBOSE); /* its texts hold the SQLSTATE then */
    PQsetNoticeReceiver(link->conn, ignore_notice, NULL);
    struct error err;
    if (!poll_start(link, UV_WRITABLE, &err))
        pg_link_fail(link, &err);
}

/* ---- looking up names ------------------------------------------------------------------------ */

static void lookup_free(struct pg_lookup *lookup)
{
    buffer_release(&lookup->hosts);
    buffer_release(&lookup->addresses);
    buffer_release(&lookup->ports);
    xfree(lookup);
}

static void lookup_add(struct pg_lookup *lookup, const char *address)
{
    const struct pg_target *target = lookup->link->target;
    const char *comma = lookup->found_count++ ? "," : "";
    buffer_format(&lookup->hosts, "%s%s", comma, target->hosts[lookup->host_at]);
    buffer_format(&lookup->addresses, "%s%s", comma, address);
    buffer_format(&lookup->ports, "%s%s", comma, target->ports[lookup->host_at]);
}

static void lookup_end(struct pg_lookup *lookup)
{
    struct pg_link *link = lookup->link;
    bool is_full = lookup->hosts.is_full || lookup->addresses.is_full || lookup->ports.is_full;
    link->lookup = NULL;
    if (is_full)
        error_set(&lookup->err, ERR_CONFIG, "the database host has too many addresses");
    if (is_full || !lookup->found_count)
        pg_link_fail(link, &lookup->err);
    else
        connect_to(link, buffer_string(&lookup->hosts), buffer_string(&lookup->addresses),
                   buffer_string(&lookup->ports));
    lookup_free(lookup);
}

static void on_looked_up(uv_getaddrinfo_t *uv, int status, struct addrinfo *found);

static void lookup_next(struct pg_lookup *lookup)
{
    const struct pg_target *target = lookup->link->target;
    static const struct addrinfo HINTS = {.ai_socktype = SOCK_STREAM};
    for (; lookup->host_at < target->host_count; lookup->host_at++) {
        const char *host = target->hosts[lookup->host_at];
        if (!pg_host_needs_lookup(host)) {
            lookup_add(lookup, "");
            continue;
        }
        int status = uv_getaddrinfo(loop_uv(lookup->link->loop), &lookup->uv, on_looked_up, host,
                                    NULL, &HINTS);
        if (status == 0)
            return;
        error_set(&lookup->err, ERR_UNREACHABLE, "PostgreSQL: %s: %s", host, uv_strerror(status));
    }
    lookup_end(lookup);
}

static void on_looked_up(uv_getaddrinfo_t *uv, int status, struct addrinfo *found)
{
    struct pg_lookup *lookup = container_of(uv, struct pg_lookup, uv);
    if (!lookup->link) {
        uv_freeaddrinfo(found);
        lookup_free(lookup);
        return;
    }
    const char *host = lookup->link->target->hosts[lookup->host_at];
    if (status != 0)
        error_set(&lookup->err, ERR_UNREACHABLE, "PostgreSQL: %s: %s", host, uv_strerror(status));
    char address[NI_MAXHOST];
    for (struct addrinfo *at = found; at && status == 0; at = at->ai_next)
        if (getnameinfo(at->ai_addr, at->ai_addrlen, address, sizeof(address), NULL, 0,
                        NI_NUMERICHOST) == 0)
            lookup_add(lookup, address);
    uv_freeaddrinfo(found);
    lookup->host_at++;
    lookup_next(lookup);
}

/* ---- public ---------------------------------------------------------------------------------- */

static void attempt(struct pg_link *link)
{
    link->attempt_ms = loop_now_ms(link->loop);
    link->state = LINK_RESOLVING;
    timer_start(link->loop, &link->timer, link->connect_timeout_ms, on_attempt_timeout);
    if (link->target->fixed_addresses) {
        connect_to(link, link->target->fixed_host, link->target->fixed_addresses,
                   link->target->fixed_ports);
        return;
    }
    struct pg_lookup *lookup = xcalloc(1, sizeof(*lookup));
    lookup->link = link;
    lookup->hosts = buffer_new(PG_ADDRESSES_BYTES_MAX);
    lookup->addresses = buffer_new(PG_ADDRESSES_BYTES_MAX);
    lookup->ports = buffer_new(PG_ADDRESSES_BYTES_MAX);
    link->lookup = lookup;
    lookup_next(lookup);
}

void pg_link_start(struct pg_link *link)
{
    if (link->state == LINK_IDLE)
        attempt(link);
}

void pg_link_stop(struct pg_link *link)
{
    drop(link);
}

bool pg_link_flush(struct pg_link *link, struct error *err)
{
    int left = PQflush(link->conn);
    if (left < 0)
        return pg_link_error(link, err);
    bool wants_write = left > 0;
    if (wants_write != link->wants_write) {
        link->wants_write = wants_write;
        int status = uv_poll_start(&link->poll->uv,
                                   wants_write ? UV_READABLE | UV_WRITABLE : UV_READABLE, on_poll);
        assert(status == 0);
    }
    return true;
}
