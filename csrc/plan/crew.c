/* crew.c -- pieces of a batch, each in a frame of its own. */
#include "plan/crew.h"

#include "core/memory.h"
#include "core/threads.h"

enum { LEAST_PIECES = 4 };

cj_status cj_crew_new(cj_crew **out, cj_plan *plan) {
  const int outputs = cj_plan_outputs(plan);
  cj_crew *c = outputs <= CJ_MOST_OUTPUTS ? cj_alloc_zeroed(sizeof *c) : NULL;
  if (!c) {
    cj_plan_drop(plan);
    if (outputs > CJ_MOST_OUTPUTS)
      return cj_fail(CJ_EARG, "expected at most %d results, got %d", CJ_MOST_OUTPUTS, outputs);
    return cj_fail(CJ_EMEM, "out of memory: no room for a plan");
  }
  c->refs = 1;
  c->plan = plan;
  *out = c;
  return CJ_OK;
}

cj_crew *cj_crew_keep(cj_crew *c) {
  c->refs++;
  return c;
}

void cj_crew_drop(cj_crew *c) {
  if (!c || --c->refs > 0) return;
  for (int i = 0; i < c->count; i++) cj_frame_drop(c->frames[i]);
  cj_plan_drop(c->plan);
  cj_free(c);
}

int64_t cj_crew_piece(const cj_crew *c, int64_t n) {
  const int64_t rows = cj_plan_rows(c->plan), full = (n + rows - 1) / rows;
  const int64_t few = n < LEAST_PIECES ? n : LEAST_PIECES, pieces = full > few ? full : few;
  return pieces > 0 ? (n + pieces - 1) / pieces : 1;
}

cj_status cj_crew_ready(cj_crew *c, int64_t pieces) {
  const int64_t wanted = pieces < cj_slots_wanted() ? pieces : cj_slots_wanted();
  CJ_TRY(cj_plan_refresh(c->plan, NULL));
  while (c->count < wanted) {
    CJ_TRY(cj_frame_new(&c->frames[c->count], c->plan));
    c->count++;
  }
  cj_slots_open(&c->slots, NULL, 0, c->count);
  return CJ_OK;
}

cj_frame *cj_crew_take(cj_crew *c, int *slot) {
  *slot = cj_slots_take(&c->slots);
  return c->frames[*slot];
}

void cj_crew_give(cj_crew *c, int slot) {
  cj_slots_give(&c->slots, slot);
}

typedef struct batch {
  cj_crew *crew;
  int64_t n, piece;
  const char *x;
  void *const *out;
  const void *const *gy;
  char *gx;
  size_t in_bytes, out_bytes[CJ_MOST_OUTPUTS]; /* of one image */
} batch;

static size_t image_bytes(const cj_tensor *t) {
  return (size_t)(cj_numel(t) / t->size[0]) * cj_dtype_bytes(t->dtype);
}

static void run_piece(void *context, int64_t piece) {
  const batch *b = context;
  const int64_t from = piece * b->piece, left = b->n - from;
  const int64_t rows = left < b->piece ? left : b->piece;
  const int outputs = cj_plan_outputs(b->crew->plan);
  const void *in = b->x + (size_t)from * b->in_bytes, *gy[CJ_MOST_OUTPUTS] = {NULL};
  void *out[CJ_MOST_OUTPUTS] = {NULL};
  for (int i = 0; i < outputs; i++) {
    const size_t at = (size_t)from * b->out_bytes[i];
    if (b->out && b->out[i]) out[i] = (char *)b->out[i] + at;
    if (b->gy && b->gy[i]) gy[i] = (const char *)b->gy[i] + at;
  }
  int slot;
  cj_frame *f = cj_crew_take(b->crew, &slot);
  cj_frame_forward(f, rows, &in, out);
  if (b->gx) cj_frame_pull(f, gy, b->gx + (size_t)from * b->in_bytes);
  cj_crew_give(b->crew, slot);
}

cj_status cj_crew_run(cj_crew *c, int64_t n, const void *x, void *const *out, const void *const *gy,
                      void *gx) {
  batch b = {
      .crew = c, .n = n, .piece = cj_crew_piece(c, n), .x = x, .out = out, .gy = gy, .gx = gx};
  const int outputs = cj_plan_outputs(c->plan);
  if (n == 0) return CJ_OK;
  const int64_t pieces = (n + b.piece - 1) / b.piece;
  CJ_TRY(cj_crew_ready(c, pieces));
  b.in_bytes = image_bytes(cj_plan_input(c->plan, 0));
  for (int i = 0; i < outputs; i++) b.out_bytes[i] = image_bytes(cj_plan_output(c->plan, i));
  cj_parallel(pieces, run_piece, &b);
  return cj_stop_requested() ? cj_fail(CJ_ESTOP, "interrupted") : CJ_OK;
}
