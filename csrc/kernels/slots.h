/* slots.h -- working memory for parallel pieces: one slot per thread, taken while a piece runs.
 *
 * Which slot a piece gets is up to chance, so nothing may be read from a slot that the same piece
 * did not write. */
#ifndef CJ_SLOTS_H
#define CJ_SLOTS_H

#include <stdatomic.h>
#include <stddef.h>

#include "core/threads.h"

enum { CJ_MAX_SLOTS = 32 };

typedef struct cj_slots {
  atomic_flag taken[CJ_MAX_SLOTS];
  int count;
  size_t bytes; /* of one slot, a multiple of 64 */
  char *base;
} cj_slots;

static inline int cj_slots_wanted(void) {
  return cj_threads() < CJ_MAX_SLOTS ? cj_threads() : CJ_MAX_SLOTS;
}

static inline void cj_slots_open(cj_slots *s, void *base, size_t bytes, int count) {
  for (int i = 0; i < count; i++) atomic_flag_clear(&s->taken[i]);
  s->count = count;
  s->bytes = bytes;
  s->base = base;
}

/* A free slot's number; waits while all are taken (more threads than slots). */
static inline int cj_slots_take(cj_slots *s) {
  for (int i = 0;; i = i + 1 < s->count ? i + 1 : 0)
    if (!atomic_flag_test_and_set_explicit(&s->taken[i], memory_order_acquire)) return i;
}

static inline void *cj_slots_memory(const cj_slots *s, int slot) {
  return s->base + (size_t)slot * s->bytes;
}

static inline void cj_slots_give(cj_slots *s, int slot) {
  atomic_flag_clear_explicit(&s->taken[slot], memory_order_release);
}

#endif
