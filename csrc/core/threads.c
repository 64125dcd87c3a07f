/* threads.c -- parallel pieces on OpenMP threads, and the stop flag. */
#include "core/threads.h"

#include <omp.h>
#include <stdatomic.h>

enum { MOST_THREADS = 256 };

static int thread_count;
static atomic_bool stop;

void cj_set_threads(int count) {
  thread_count = count < 1 ? 1 : count > MOST_THREADS ? MOST_THREADS : count;
}

int cj_threads(void) {
  if (thread_count == 0) cj_set_threads(omp_get_max_threads());
  return thread_count;
}

void cj_parallel(int64_t pieces, cj_task task, void *context) {
  const int64_t wanted = pieces < cj_threads() ? pieces : cj_threads();
  if (wanted <= 1 || omp_in_parallel()) {
    for (int64_t i = 0; i < pieces && !cj_stop_requested(); i++) task(context, i);
    return;
  }
#pragma omp parallel for schedule(dynamic, 1) num_threads((int)wanted)
  for (int64_t i = 0; i < pieces; i++)
    if (!cj_stop_requested()) task(context, i);
}

void cj_stop_request(void) {
  atomic_store(&stop, true);
}

bool cj_stop_requested(void) {
  return atomic_load_explicit(&stop, memory_order_relaxed);
}

void cj_stop_clear(void) {
  atomic_store(&stop, false);
}
