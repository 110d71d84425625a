/* The scenarios of queue.h that hold on every broker. */
#ifndef TESTS_CONTRACT_QUEUE_SCENARIOS_H
#define TESTS_CONTRACT_QUEUE_SCENARIOS_H

#include "tests/contract/queue_bench.h"

void check_content(struct bench *bench); /* of messages; packed and unpacked they stay the same */
void check_prefix(struct bench *bench);  /* is what is committed */
void check_return(struct bench *bench);  /* of a partition: what is known is not delivered again */
void check_rebalance(struct bench *bench); /* late settles move nothing of what is another's */
void check_close_in_rebalance(struct bench *bench);

#endif
