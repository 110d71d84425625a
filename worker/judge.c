#include "worker/judge.h"

#define STARTS_ALONE 3 /* protocol point 6 */
#define STARTS_MAX 5
#define NOT_YET_MS 60000      /* protocol point 1 */
#define LAST_MODIFIED_MS 1000 /* it has no parts of a second */
#define PAUSE_PARK_MS 30000
#define QUOTA_PARK_MS 600000

static struct judgement dismiss(enum error_code code, enum document_outcome outcome)
{
    return (struct judgement){.kind = JUDGED_DISMISS, .code = code, .outcome = outcome};
}

static struct judgement park(enum error_code code, uint64_t park_ms)
{
    return (struct judgement){.kind = JUDGED_PARK, .code = code, .park_ms = park_ms};
}

struct judgement judge_claim(const struct ledger_claim *claim, const struct arrival *arrival)
{
    if (claim->starts > STARTS_MAX)
        return dismiss(ERR_POISONED, OUTCOME_FAILED);
    if (arrival->is_removal && arrival->is_overdue)
        return dismiss(ERR_GAVE_UP, OUTCOME_FAILED);
    if (arrival->is_removal) /* of an inactive tenant too */
        return (struct judgement){.kind = JUDGED_GO_ON};
    if (claim->is_stopped)
        return dismiss(ERR_JOB_CANCELLED, OUTCOME_CANCELLED);
    if (!claim->is_tenant_active)
        return dismiss(ERR_INACTIVE, OUTCOME_FAILED);
    if (arrival->is_overdue)
        return dismiss(ERR_GAVE_UP, OUTCOME_FAILED);
    if (claim->is_paused)
        return park(ERR_PAUSED, PAUSE_PARK_MS);
    if (claim->is_over_quota)
        return park(ERR_QUOTA, QUOTA_PARK_MS);
    return (struct judgement){.kind = JUDGED_GO_ON};
}

bool judge_is_suspect(const struct ledger_claim *claim)
{
    return claim->starts >= STARTS_ALONE;
}

bool judge_lags(const struct ledger_claim *claim, const struct arrival *arrival, struct text etag,
                uint64_t modified_ms)
{
    struct text told = text_from(claim->told_etag);
    if (!claim->told_ms || claim->told_age_ms >= NOT_YET_MS)
        return false;
    if (!etag.start)
        return !claim->is_told_gone;
    if (claim->is_told_gone ? arrival->may_uncover : !told.bytes || text_equal(told, etag))
        return false;
    return modified_ms && modified_ms + LAST_MODIFIED_MS < claim->told_ms;
}

bool judge_may_sign_up_yet(const struct arrival *arrival, uint64_t wall_ms, uint64_t now_ms,
                           uint64_t wait_ms)
{
    bool is_dated = arrival->time_ms && arrival->time_ms <= wall_ms;
    uint64_t age_ms = is_dated ? wall_ms - arrival->time_ms : now_ms - arrival->arrived_ms;
    return age_ms < wait_ms;
}
