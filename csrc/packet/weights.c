/* weights.c -- effective sample size, largest share, and the Pareto shape of the tail. */
#include "packet/weights.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/memory.h"

int64_t cj_tail_size(int64_t samples) {
  return (int64_t)fmin(0.2 * (double)samples, 3 * sqrt((double)samples));
}

cj_status cj_weights_open(cj_weights *w, int64_t samples) {
  *w = (cj_weights){.room = cj_tail_size(samples) + 1}; /* and the one below the tail */
  w->top = cj_alloc((size_t)w->room * sizeof(double));
  return w->top ? CJ_OK : cj_fail(CJ_EMEM, "no memory for %lld weights", (long long)w->room);
}

void cj_weights_drop(cj_weights *w) {
  cj_free(w->top);
  *w = (cj_weights){0};
}

static void swap(double *a, double *b) {
  const double held = *a;
  *a = *b;
  *b = held;
}

static void sink(cj_weights *w) {
  for (int64_t i = 0;;) {
    int64_t least = i;
    for (int64_t child = 2 * i + 1; child <= 2 * i + 2; child++)
      if (child < w->kept && w->top[child] < w->top[least]) least = child;
    if (least == i) return;
    swap(&w->top[i], &w->top[least]);
    i = least;
  }
}

static void rise(cj_weights *w) {
  for (int64_t i = w->kept - 1; i > 0 && w->top[i] < w->top[(i - 1) / 2]; i = (i - 1) / 2)
    swap(&w->top[i], &w->top[(i - 1) / 2]);
}

static void keep(cj_weights *w, double weight) {
  if (w->kept < w->room) {
    w->top[w->kept++] = weight;
    rise(w);
  } else if (weight > w->top[0]) {
    w->top[0] = weight;
    sink(w);
  }
}

void cj_weights_add(cj_weights *w, double weight) {
  w->count++;
  w->sum += weight;
  w->squares += weight * weight;
  keep(w, weight);
}

void cj_weights_merge(cj_weights *w, const cj_weights *from) {
  w->count += from->count;
  w->sum += from->sum;
  w->squares += from->squares;
  for (int64_t i = 0; i < from->kept; i++) keep(w, from->top[i]);
}

/* Log likelihood per exceedance, profiled: the shape that belongs to b is mean(log(1 - b x)). */
static double profile(int64_t n, const double *x, double b) {
  double k = 0;
  for (int64_t i = 0; i < n; i++) k += log1p(-b * x[i]);
  k /= (double)n;
  return log(-b / k) - k - 1;
}

double cj_pareto_shape(int64_t n, const double *x) {
  if (n < 5) return NAN;
  const int64_t grid = 30 + (int64_t)sqrt((double)n);
  const double quarter = x[(int64_t)((double)n / 4 + 0.5) - 1], top = x[n - 1];
  double mean = 0, all = 0, best = -INFINITY;
  if (!(quarter > 0)) return NAN;
  for (int turn = 0; turn < 2; turn++) /* the largest likelihood first, so that nothing overflows */
    for (int64_t j = 0; j < grid; j++) {
      const double root = sqrt((double)grid / ((double)j + 0.5));
      const double b = 1 / top + (1 - root) / (3 * quarter);
      const double value = b == 0 ? -INFINITY : (double)n * profile(n, x, b);
      if (turn == 0) {
        best = fmax(best, value);
        continue;
      }
      const double weight = exp(value - best);
      mean += weight * b;
      all += weight;
    }
  mean /= all;
  double k = 0;
  for (int64_t i = 0; i < n; i++) k += log1p(-mean * x[i]);
  k /= (double)n;
  return (k * (double)n + 0.5 * 10) / ((double)n + 10);
}

static int by_size(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

cj_evenness cj_weights_evenness(const cj_weights *w) {
  cj_evenness e = {.samples = w->count, .k = NAN};
  if (!(w->sum > 0) || w->kept == 0) return e;
  e.ess = w->sum * w->sum / w->squares;
  double *sorted = cj_alloc((size_t)w->kept * sizeof(double));
  if (!sorted) return e;
  memcpy(sorted, w->top, (size_t)w->kept * sizeof(double));
  qsort(sorted, (size_t)w->kept, sizeof(double), by_size);
  e.largest = sorted[w->kept - 1] / w->sum;
  const int64_t tail = cj_tail_size((int64_t)w->count);
  if (tail >= 5 && tail < w->kept) {
    double *excess = sorted + w->kept - tail;
    const double floor_value = excess[-1];
    for (int64_t i = 0; i < tail; i++) excess[i] -= floor_value;
    e.k = cj_pareto_shape(tail, excess);
  }
  cj_free(sorted);
  return e;
}
