/* run.c -- deals samples out to batches, one after the other or on all threads. */
#include "packet/run.h"

#include <stdio.h>

#include "attacks/plan_oracle.h"
#include "core/threads.h"
#include "packet/group.h"

enum { EAGER_ROWS = 128, TEXT = 480 };

/* The samples of one batch among `first` .. `end` - 1. */
static cj_status run_batch(cj_group *g, int64_t first, int64_t end) {
  const int64_t skip = (g->batch - first % CJ_BATCHES + CJ_BATCHES) % CJ_BATCHES;
  for (int64_t number = first + skip; number < end; number += CJ_BATCHES) {
    cj_group_draw(g, number);
    if (g->rows == g->room) CJ_TRY(cj_group_flush(g));
  }
  return cj_group_flush(g);
}

static int64_t last_of(const cj_packet *p, const cj_packet_sums *s, int64_t count) {
  return s->done + count < p->samples ? s->done + count : p->samples;
}

cj_status cj_packet_run(const cj_packet *p, cj_oracle *o, int64_t count, cj_packet_sums *s) {
  const int64_t end = last_of(p, s, count), before[2] = {o->forwards, o->backwards};
  cj_group g = {.p = p, .o = o, .sums = s, .room = EAGER_ROWS};
  cj_status status = cj_group_open(&g);
  for (g.batch = 0; status == CJ_OK && g.batch < CJ_BATCHES; g.batch++)
    status = run_batch(&g, s->done, end);
  cj_group_close(&g);
  s->forwards += o->forwards - before[0];
  s->backwards += o->backwards - before[1];
  if (status == CJ_OK) s->done = end;
  return status;
}

/* --- on all threads ----------------------------------------------------------------------------
 */

typedef struct campaign {
  const cj_packet *p;
  cj_packet_sums *sums;
  cj_crew *crew;
  int64_t end, passes[CJ_BATCHES][2];
  cj_status status[CJ_BATCHES];
  char text[CJ_BATCHES][TEXT];
} campaign;

static void run_task(void *context, int64_t batch) {
  campaign *c = context;
  int slot;
  cj_frame *frame = cj_crew_take(c->crew, &slot);
  cj_frame_oracle self;
  cj_oracle o = cj_frame_oracle_open(&self, c->crew->plan, frame);
  cj_group g = {.p = c->p,
                .o = &o,
                .sums = c->sums,
                .batch = (int)batch,
                .room = cj_plan_rows(c->crew->plan)};
  c->status[batch] = cj_group_open(&g);
  if (c->status[batch] == CJ_OK) c->status[batch] = run_batch(&g, c->sums->done, c->end);
  if (c->status[batch] != CJ_OK) snprintf(c->text[batch], TEXT, "%s", cj_errmsg());
  cj_group_close(&g);
  c->passes[batch][0] = o.forwards;
  c->passes[batch][1] = o.backwards;
  cj_crew_give(c->crew, slot);
}

cj_status cj_packet_run_planned(const cj_packet *p, cj_crew *crew, int64_t count,
                                cj_packet_sums *s) {
  campaign c = {.p = p, .sums = s, .crew = crew, .end = last_of(p, s, count)};
  CJ_TRY(cj_crew_ready(crew, CJ_BATCHES));
  cj_parallel(CJ_BATCHES, run_task, &c);
  if (cj_stop_requested()) return cj_fail(CJ_ESTOP, "interrupted");
  for (int b = 0; b < CJ_BATCHES; b++) {
    if (c.status[b] != CJ_OK) return cj_fail(c.status[b], "%s", c.text[b]);
    s->forwards += c.passes[b][0];
    s->backwards += c.passes[b][1];
  }
  s->done = c.end;
  return CJ_OK;
}
