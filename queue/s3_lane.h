/*
 * s3_lane.h - when a request to S3 is sent: as many at once as S3 lets us have, one tenant after
 *             the other.
 *
 * S3 says SlowDown, per prefix, but nowhere how much is allowed: the limit is learned, for the
 * whole endpoint. A request has a permit from s3_call_start() until its answer; whoever rests or
 * has its body checked has none.
 * Owns:   nothing; the limit and the turns lie in struct s3.
 * Thread: the loop thread.
 */
#ifndef QUEUE_S3_LANE_H
#define QUEUE_S3_LANE_H

#include "worker/base/text.h"

struct s3;
struct s3_call;

enum s3_lane_end { S3_LANE_SERVED, S3_LANE_PUSHED_BACK, S3_LANE_GIVEN_UP };

void s3_lane_init(struct s3 *s3, uint32_t requests_max);
void s3_lane_release(struct s3 *s3);       /* nobody waits */
void s3_lane_join(struct s3_call *call);   /* s3_call_start() comes when it may go */
void s3_lane_forget(struct s3_call *call); /* it waits, and will not go */
void s3_lane_leave(struct s3_call *call, enum s3_lane_end how); /* nothing without a permit */

#endif
