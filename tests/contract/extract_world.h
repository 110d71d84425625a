/*
 * extract_world.h - an extraction service, a PDF to be written and a request, made anew for a test.
 *
 * Thread: the loop thread.
 */
#ifndef TESTS_CONTRACT_EXTRACT_WORLD_H
#define TESTS_CONTRACT_EXTRACT_WORLD_H

#include <sys/types.h>

#include "tests/contract/extract_probe.h"
#include "tests/contract/pdf_writer.h"

extern struct loop *loop;
extern struct extract *extract;
extern struct pdf_writer writer;
extern struct probe probe;

int set_up(void **state); /* of cmocka: everything open, two slots */
int tear_down(void **state);

void open_extract(uint32_t slots_max);
void close_extract(void);
void on_extract_closed(void *arg); /* arg: a bool, is set */

/* Processes: only ours, found from our own children. 0: there is none. */
pid_t first_reader_of(pid_t zygote); /* a child that has a document */
pid_t spare_of(pid_t zygote);        /* the child that waits for one */
pid_t zygote_pid(void);
size_t count_children_of(pid_t parent);
unsigned count_fds(void); /* open in this process */

void submit_writer(void); /* ends the writer's PDF and submits it with probe */
void read_writer(void);   /* and awaits the answer, which must be a good one */
void assert_refused(struct text body, enum error_code code);

#endif
