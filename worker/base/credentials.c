#include "worker/base/credentials.h"

#include <assert.h>

#include "worker/base/memory.h"

struct credentials {
    struct loop *loop;
    char *id, *secret, *session_token; /* NULL when there is none */
    size_t waiting_count;
    struct later closing;
    void (*on_closed)(void *arg);
    void *closed_arg;
};

static void wipe(char *secret)
{
    if (secret)
        secret_wipe(secret, text_from(secret).bytes);
    xfree(secret);
}

static void answer(struct later *later)
{
    struct credentials_request *request = container_of(later, struct credentials_request, later);
    struct credentials *credentials = request->credentials;
    credentials->waiting_count--;
    struct aws_key key = {text_from(credentials->id), text_from(credentials->secret),
                          text_from(credentials->session_token)};
    request->on_done(request, credentials->id ? &key : NULL, NULL);
}

static char *copy_of(const char *value)
{
    struct text text = text_trim(text_from(value)); /* a secret from a file ends in a newline */
    return text.bytes ? xstrdup(text) : NULL;
}

struct credentials *credentials_open(struct loop *loop, const char *(*getenv)(const char *name),
                                     struct error *err)
{
    struct credentials *credentials = xcalloc(1, sizeof(*credentials));
    credentials->loop = loop;
    if (!getenv)
        return credentials;
    credentials->id = copy_of(getenv("AWS_ACCESS_KEY_ID"));
    credentials->secret = copy_of(getenv("AWS_SECRET_ACCESS_KEY"));
    credentials->session_token = copy_of(getenv("AWS_SESSION_TOKEN"));
    if (!credentials->id == !credentials->secret)
        return credentials;
    error_set(err, ERR_CONFIG, "%s is not set, but the other half of the key is",
              credentials->id ? "AWS_SECRET_ACCESS_KEY" : "AWS_ACCESS_KEY_ID");
    credentials_close(credentials, NULL, NULL);
    return NULL;
}

void credentials_ask(struct credentials *credentials, struct credentials_request *request)
{
    request->credentials = credentials;
    credentials->waiting_count++;
    loop_later(credentials->loop, &request->later, answer);
}

const char *credentials_source(const struct credentials *credentials)
{
    return credentials->id ? "the environment" : "none, requests go unsigned";
}

static void release(struct later *later)
{
    struct credentials *credentials = container_of(later, struct credentials, closing);
    void (*on_closed)(void *arg) = credentials->on_closed;
    void *arg = credentials->closed_arg;
    assert(credentials->waiting_count == 0);
    wipe(credentials->id);
    wipe(credentials->secret);
    wipe(credentials->session_token);
    xfree(credentials);
    if (on_closed)
        on_closed(arg);
}

void credentials_close(struct credentials *credentials, void (*on_closed)(void *arg), void *arg)
{
    if (!credentials) {
        if (on_closed)
            on_closed(arg);
        return;
    }
    credentials->on_closed = on_closed;
    credentials->closed_arg = arg;
    loop_later(credentials->loop, &credentials->closing, release);
}
