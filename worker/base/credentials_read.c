/* What the sources of the AWS key have in common: variables, files, answers, and how long a key
 * serves. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "worker/base/credentials_private.h"
#include "worker/base/date.h"
#include "worker/base/json.h"
#include "worker/base/memory.h"

struct text credentials_variable(const struct credentials_fetch *fetch, const char *name)
{
    struct text value = text_trim(text_from(fetch->getenv(name)));
    return value.bytes ? value : TEXT_NONE;
}

bool credentials_take(struct credentials_key *key, const struct aws_key *from, struct error *err)
{
    if (!from->id.bytes || !from->secret.bytes)
        return error_set(err, ERR_PROTOCOL, "the answer holds no key");
    credentials_key_wipe(key);
    key->id = xstrdup(from->id);
    key->secret = xstrdup(from->secret);
    key->session_token = from->session_token.bytes ? xstrdup(from->session_token) : NULL;
    return true;
}

bool credentials_read_json(struct credentials_fetch *fetch, struct error *err)
{
    AUTO_JSON struct json *answer = json_parse(buffer_text(&fetch->http.reply), err);
    if (!answer)
        return false;
    struct aws_key key = {json_member_text(answer, "AccessKeyId"),
                          json_member_text(answer, "SecretAccessKey"),
                          json_member_text(answer, "Token")};
    struct text expires = json_member_text(answer, "Expiration");
    if (!credentials_take(&fetch->key, &key, err))
        return false;
    if (expires.bytes && !date_from_iso(expires, &fetch->key.expires_ms))
        return error_set(err, ERR_PROTOCOL, "the key's Expiration is no date");
    return true;
}

bool credentials_read_file(struct text path, struct buffer *ret_content, struct error *err)
{
    AUTO_FREE char *name = xstrdup(path);
    AUTO_FD int fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, ERR_CONFIG, errno, name);
    for (;;) {
        char *at = buffer_reserve(ret_content, 4096);
        if (!at)
            return error_set(err, ERR_CONFIG, "%s is larger than such a file can be", name);
        ssize_t bytes = read(fd, at, 4096);
        if (bytes < 0)
            return error_set_errno(err, ERR_CONFIG, errno, name);
        if (bytes == 0)
            return true;
        ret_content->bytes += (size_t)bytes;
    }
}

#define MINUTE_MS UINT64_C(60000)
/* As botocore has it: renewed in the background from 15 minutes before the end on, waited for in
 * the last 10. */
#define REFRESH_EARLY_MS (15 * MINUTE_MS)
#define BLOCK_EARLY_MS (10 * MINUTE_MS)

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

struct credentials_times credentials_times_of(const struct credentials_key *key, uint64_t wall_ms,
                                              struct rng *rng)
{
    struct credentials_times times = {UINT64_MAX, UINT64_MAX, UINT64_MAX};
    if (key->reread_ms)
        times.refresh_ms = wall_ms + key->reread_ms;
    if (!key->expires_ms)
        return times;
    if (key->expires_ms <= wall_ms) {
        /* In an incident the service hands out what it has: more use than none. */
        times.refresh_ms = wall_ms + 5 * MINUTE_MS + rng_below(rng, 5 * MINUTE_MS);
        return times;
    }
    uint64_t life_ms = key->expires_ms - wall_ms;
    uint64_t early_ms = smaller(life_ms / 2, REFRESH_EARLY_MS);
    times.refresh_ms = key->expires_ms - early_ms + rng_below(rng, early_ms / 8 + 1);
    times.block_ms = key->expires_ms - smaller(life_ms / 4, BLOCK_EARLY_MS);
    times.valid_until_ms = key->expires_ms;
    return times;
}

static void wipe(char *secret)
{
    if (secret)
        secret_wipe(secret, text_from(secret).bytes);
    xfree(secret);
}

void credentials_key_wipe(struct credentials_key *key)
{
    wipe(key->id);
    wipe(key->secret);
    wipe(key->session_token);
    *key = (struct credentials_key){0};
}
