/* What a refusal teaches: where the bucket is, what time it is there, that the key has ended. */
#include <string.h>

#include "queue/s3_private.h"

/* S3 allows as much. */
#define SKEW_MS_MAX (INT64_C(15) * 60 * 1000)

static bool is_fault(const struct s3_answer *answer, const char *code)
{
    return answer->fault && strcmp(answer->fault->code, code) == 0;
}

static bool learn_skew(struct s3_call *call, const struct s3_answer *answer)
{
    uint64_t server_ms;
    struct text date = http_reply_header(&call->http, "Date");
    if (answer->status != 403 || call->was_skewed || !date_from_http(date, &server_ms))
        return false;
    /* HEAD's 403 has no words: a clock that is off by more than S3 allows tells as well. */
    int64_t skew_ms = (int64_t)server_ms - (int64_t)loop_wall_ms(call->s3->loop);
    int64_t change_ms = skew_ms - call->s3->skew_ms;
    bool is_shown = call->request->verb == OBJECT_HEAD && !call->is_probe &&
                    (change_ms > SKEW_MS_MAX || change_ms < -SKEW_MS_MAX);
    if (!is_fault(answer, "RequestTimeTooSkewed") && !is_shown)
        return false;
    call->was_skewed = true;
    call->s3->skew_ms = skew_ms;
    return true;
}

static struct s3_region *find_region(struct s3 *s3, struct text bucket)
{
    for (size_t i = 0; i < s3->region_count && i < S3_REGIONS_MAX; i++)
        if (text_equal(text_from(s3->regions[i].bucket), bucket))
            return &s3->regions[i];
    return &s3->regions[s3->region_count++ % S3_REGIONS_MAX];
}

struct text s3_region_of(const struct s3 *s3, struct text bucket)
{
    for (size_t i = 0; i < s3->region_count && i < S3_REGIONS_MAX; i++)
        if (text_equal(text_from(s3->regions[i].bucket), bucket))
            return text_from(s3->regions[i].name);
    return TEXT_NONE;
}

static bool learn_region(struct s3_call *call, const struct s3_answer *answer)
{
    struct s3 *s3 = call->s3;
    struct text region = s3_other_region(answer), bucket = call->request->bucket;
    struct text known = s3_region_of(s3, bucket);
    if (!region.bytes || call->was_redirected || text_equal(region, known) ||
        (!known.bytes && text_equal(region, text_from(s3->place.region))))
        return false;
    struct s3_region *place = find_region(s3, bucket);
    if (!text_format(place->bucket, sizeof(place->bucket), "%.*s", TEXT_ARGS(bucket)) ||
        !text_format(place->name, sizeof(place->name), "%.*s", TEXT_ARGS(region)))
        place->bucket[0] = '\0'; /* no bucket is named so */
    call->was_redirected = true;
    return place->bucket[0] != '\0';
}

static bool learn_expiry(struct s3_call *call, const struct s3_answer *answer)
{
    bool is_ended = is_fault(answer, "ExpiredToken") || is_fault(answer, "ExpiredTokenException");
    if (!is_ended || call->was_expired)
        return false;
    call->was_expired = true;
    credentials_distrust(call->s3->credentials, text_from(call->key_id));
    return true;
}

bool s3_learn(struct s3_call *call)
{
    struct s3_fault fault;
    if (call->http.status < 300 || call->http.status == 304)
        return false;
    struct s3_answer answer = s3_call_answer(call, &fault);
    return learn_skew(call, &answer) || learn_region(call, &answer) || learn_expiry(call, &answer);
}
