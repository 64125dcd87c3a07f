/* Speed of the kernels of convolution, beside a loop of multiply-adds that shows what the machine
 * gives in the same moment: every round measures the loop and the kernel in turns.
 *
 * Rates count the multiply-adds of a direct convolution without padding. Compiled once per
 * instruction set; kernels_main.c chooses one. */
#include "kernels.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/memory.h"
#include "core/threads.h"
#include "kernels/simd.h"
#include "kernels/stem.h"
#include "kernels/winograd.h"

/* A layer with all that any of its kernels needs. */
typedef struct work {
  cj_conv s;
  cj_picture x, y; /* with rings wide enough for all kernels */
  real *plain_x;
  real *w, *gw, *gb, *packed, *back_packed;
  void *scratch;
  int slots;
  uint16_t *signs;
  cj_finish clip, mask;
} work;

typedef struct kernel {
  const char *name;
  bool (*suits)(const work *k);
  size_t (*scratch)(const work *k);
  void (*pack)(work *k);
  void (*run)(const work *k);
} kernel;

static size_t none(const work *k) {
  (void)k;
  return 0;
}

static bool few(const work *k) {
  return k->s.c_in <= STEM_CHANNELS;
}

static bool many(const work *k) {
  return !few(k);
}

static void pack_forward(work *k) {
  CJ_KERNEL(direct_pack)(&k->s, k->w, NULL, k->packed);
}

static void run_forward(const work *k) {
  CJ_KERNEL(direct_forward)(&k->s, &k->x, k->packed, &k->clip, &k->y);
}

static void pack_input(work *k) {
  CJ_KERNEL(direct_input_pack)(&k->s, k->w, NULL, k->packed);
}

static void run_input(const work *k) {
  CJ_KERNEL(direct_input)(&k->s, &k->y, k->packed, &k->mask, &k->x);
}

static size_t weight_scratch(const work *k) {
  return CJ_KERNEL(direct_weight_scratch)(&k->s);
}

static void pack_nothing(work *k) {
  (void)k;
}

static void run_weight(const work *k) {
  CJ_KERNEL(direct_weight)(&k->s, &k->x, &k->y, k->gw, k->gb, k->scratch);
}

static bool winograd_suits(const work *k) {
  return many(k) && CJ_KERNEL(winograd_suits)(&k->s);
}

static size_t winograd_scratch(const work *k) {
  return CJ_KERNEL(winograd_scratch)(&k->s, k->slots);
}

static void pack_winograd(work *k) {
  CJ_KERNEL(winograd_pack)(&k->s, k->w, NULL, false, k->packed);
}

static void run_winograd(const work *k) {
  CJ_KERNEL(winograd_forward)(&k->s, &k->x, k->packed, &k->clip, &k->y, k->scratch, k->slots);
}

static bool turned_suits(const work *k) {
  const cj_conv s = CJ_KERNEL(winograd_turn)(&k->s);
  return many(k) && k->s.stride_h == 1 && k->s.stride_w == 1 && CJ_KERNEL(winograd_suits)(&s);
}

static size_t turned_scratch(const work *k) {
  const cj_conv s = CJ_KERNEL(winograd_turn)(&k->s);
  return CJ_KERNEL(winograd_scratch)(&s, k->slots);
}

static void pack_turned(work *k) {
  const cj_conv s = CJ_KERNEL(winograd_turn)(&k->s);
  CJ_KERNEL(winograd_pack)(&s, k->w, NULL, true, k->packed);
}

static void run_turned(const work *k) {
  const cj_conv s = CJ_KERNEL(winograd_turn)(&k->s);
  CJ_KERNEL(winograd_forward)(&s, &k->y, k->packed, &k->mask, &k->x, k->scratch, k->slots);
}

static size_t stem_scratch(const work *k) {
  return CJ_KERNEL(stem_scratch)(&k->s, k->slots);
}

static void pack_stem(work *k) {
  CJ_KERNEL(stem_pack)(&k->s, k->w, NULL, k->packed);
}

static void run_stem(const work *k) {
  CJ_KERNEL(stem_forward)(&k->s, k->plain_x, k->packed, &k->clip, &k->y, k->scratch, k->slots);
}

static void pack_stem_input(work *k) {
  CJ_KERNEL(stem_input_pack)(&k->s, k->w, NULL, k->packed);
}

static void run_stem_input(const work *k) {
  CJ_KERNEL(stem_input)(&k->s, &k->y, k->packed, k->plain_x, false, k->scratch, k->slots);
}

static size_t stem_weight_scratch(const work *k) {
  return CJ_KERNEL(stem_weight_scratch)(&k->s);
}

static void run_stem_weight(const work *k) {
  CJ_KERNEL(stem_weight)(&k->s, k->plain_x, &k->y, k->gw, k->gb, k->scratch);
}

static const kernel kernels[] = {
    {"forward", many, none, pack_forward, run_forward},
    {"input", many, none, pack_input, run_input},
    {"weight", many, weight_scratch, pack_nothing, run_weight},
    {"winograd-forward", winograd_suits, winograd_scratch, pack_winograd, run_winograd},
    {"winograd-input", turned_suits, turned_scratch, pack_turned, run_turned},
    {"stem-forward", few, stem_scratch, pack_stem, run_stem},
    {"stem-input", few, stem_scratch, pack_stem_input, run_stem_input},
    {"stem-weight", few, stem_weight_scratch, pack_nothing, run_stem_weight},
};

typedef struct shape {
  int64_t c_in, c_out, size, k, stride, pad;
} shape;

static const shape shapes[] = {
    {32, 32, 28, 3, 1, 1},   {32, 32, 14, 3, 1, 1},   {32, 32, 7, 3, 1, 1},
    {64, 64, 28, 3, 1, 1},   {64, 64, 14, 3, 1, 1},   {64, 64, 7, 3, 1, 1},
    {128, 128, 28, 3, 1, 1}, {128, 128, 14, 3, 1, 1}, {128, 128, 7, 3, 1, 1},
    {32, 32, 28, 5, 1, 2},   {32, 64, 14, 5, 1, 2},   {16, 16, 28, 3, 1, 1},
    {256, 256, 7, 3, 1, 1},  {512, 512, 4, 3, 1, 1},  {16, 32, 28, 3, 2, 1},
    {64, 128, 28, 3, 2, 1},  {16, 32, 28, 1, 2, 0},   {192, 64, 28, 1, 1, 0},
    {480, 208, 14, 1, 1, 0}, {832, 48, 7, 1, 1, 0},   {96, 208, 14, 3, 1, 1},
    {112, 224, 14, 3, 1, 1}, {24, 64, 14, 5, 1, 2},   {64, 128, 16, 4, 2, 1},
    {256, 512, 4, 4, 2, 1},  {512, 512, 2, 4, 2, 1},  {1, 32, 28, 5, 1, 2},
    {1, 16, 28, 3, 1, 1},    {3, 64, 32, 3, 1, 1},
};

static cj_conv sizes_of(const shape *p, int64_t batch) {
  const int64_t out = cj_conv_out(p->size, p->k, p->stride, p->pad, 1);
  return (cj_conv){.batch = batch,
                   .groups = 1,
                   .c_in = p->c_in,
                   .c_out = p->c_out,
                   .h = p->size,
                   .w = p->size,
                   .oh = out,
                   .ow = out,
                   .kh = p->k,
                   .kw = p->k,
                   .stride_h = p->stride,
                   .stride_w = p->stride,
                   .pad_h = p->pad,
                   .pad_w = p->pad,
                   .dil_h = 1,
                   .dil_w = 1};
}

static void *need(size_t bytes) {
  void *block = cj_alloc(bytes + 64);
  if (!block) {
    fprintf(stderr, "bench: out of memory\n");
    exit(1);
  }
  return block;
}

static real *random_values(int64_t count) {
  static uint32_t state = 1;
  real *v = need((size_t)count * sizeof(real));
  for (int64_t i = 0; i < count; i++) {
    state = state * 1664525u + 1013904223u;
    v[i] = (real)(state >> 8) / (real)(1 << 23) - 1;
  }
  return v;
}

static int64_t larger(int64_t a, int64_t b) {
  return a > b ? a : b;
}

static cj_picture picture_new(int64_t count, int64_t channels, int64_t size, int64_t ring) {
  cj_picture p = {.channels = channels, .height = size, .width = size, .ring = ring};
  p.image = picture_blocks(&p) * picture_plane(&p);
  p.data = random_values(count * p.image) + ring * (picture_row(&p) + BLOCK);
  CJ_KERNEL(picture_clear_ring)(&p, count);
  return p;
}

static void picture_drop(cj_picture *p) {
  cj_free(p->data - p->ring * (picture_row(p) + BLOCK));
}

static int64_t ring_of(const cj_conv *s, bool of_x) {
  const cj_conv turned = CJ_KERNEL(winograd_turn)(s);
  const bool suits = CJ_KERNEL(winograd_suits)(s);
  const bool back = s->stride_h == 1 && CJ_KERNEL(winograd_suits)(&turned);
  if (of_x) return larger(CJ_KERNEL(direct_ring)(s), suits ? CJ_KERNEL(winograd_ring)(s) : 0);
  return larger(larger(CJ_KERNEL(direct_input_ring)(s), CJ_KERNEL(stem_input_ring)(s)),
                back ? CJ_KERNEL(winograd_ring)(&turned) : 0);
}

static int64_t packed_size(const cj_conv *s) {
  const cj_conv turned = CJ_KERNEL(winograd_turn)(s);
  int64_t size = CJ_KERNEL(direct_packed)(s);
  if (s->c_in <= STEM_CHANNELS)
    size = larger(size, larger(CJ_KERNEL(stem_packed)(s), CJ_KERNEL(stem_input_packed)(s)));
  if (CJ_KERNEL(winograd_suits)(s)) size = larger(size, CJ_KERNEL(winograd_packed)(s));
  if (s->stride_h == 1 && CJ_KERNEL(winograd_suits)(&turned))
    size = larger(size, CJ_KERNEL(winograd_packed)(&turned));
  return size;
}

static work work_new(const shape *p, int64_t batch) {
  const cj_conv s = sizes_of(p, batch);
  work k = {.s = s, .slots = cj_threads()};
  k.x = picture_new(batch, s.c_in, s.h, ring_of(&s, true));
  k.y = picture_new(batch, s.c_out, s.oh, ring_of(&s, false));
  k.plain_x = random_values(batch * s.c_in * s.h * s.w);
  const int64_t weights = s.c_in * s.c_out * s.kh * s.kw;
  k.w = random_values(weights);
  for (int64_t i = 0; i < weights; i++) k.w[i] /= (real)(s.c_in * s.kh * s.kw);
  k.gw = random_values(weights);
  k.gb = random_values(s.c_out);
  k.packed = need((size_t)packed_size(&s) * sizeof(real));
  const int64_t pixels =
      larger(picture_blocks(&k.x) * s.h * s.w, picture_blocks(&k.y) * s.oh * s.ow);
  k.signs = need((size_t)(batch * pixels) * sizeof *k.signs);
  memset(k.signs, 0x5A, (size_t)(batch * pixels) * sizeof *k.signs);
  k.clip = (cj_finish){.clip = true, .signs = k.signs};
  k.mask = (cj_finish){.mask = k.signs};
  return k;
}

static void work_drop(work *k) {
  picture_drop(&k->x);
  picture_drop(&k->y);
  cj_free(k->plain_x), cj_free(k->w), cj_free(k->gw), cj_free(k->gb), cj_free(k->packed);
  cj_free(k->signs);
}

/* The peak: multiply-adds between registers, as many pieces as keep all threads busy. */
enum { PEAK_SUMS = 12, PEAK_STEPS = 20000, PEAK_PIECES = 8 };

static void peak_piece(void *context, int64_t piece) {
  const vec factor = vec_all((real)0.5), more = vec_all((real)piece);
  vec sum[PEAK_SUMS];
#pragma GCC unroll 12
  for (int i = 0; i < PEAK_SUMS; i++) sum[i] = vec_all((real)i);
  for (int step = 0; step < PEAK_STEPS; step++)
#pragma GCC unroll 12
    for (int i = 0; i < PEAK_SUMS; i++) {
      sum[i] = vec_fma(sum[i], factor, more);
      __asm__("" : "+x"(sum[i])); /* keeps the sums apart */
    }
#pragma GCC unroll 12
  for (int i = 1; i < PEAK_SUMS; i++) sum[0] += sum[i];
  ((real *)context)[piece] = sum[0][0];
}

static void peak_run(void) {
  real out[PEAK_PIECES];
  cj_parallel(PEAK_PIECES, peak_piece, out);
  __asm__ volatile("" : : "r"(out) : "memory");
}

static double peak_operations(void) {
  return 2.0 * LANES * PEAK_SUMS * PEAK_STEPS * PEAK_PIECES;
}

static double now(bool processor) {
  struct timespec t;
  clock_gettime(processor ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double operations(const cj_conv *s) {
  return 2.0 * (double)(s->batch * s->oh * s->ow * s->c_out * s->c_in * s->kh * s->kw);
}

/* Sorted GFLOP/s and shares of the peak beside it. */
typedef struct figures {
  double rate[CJ_MOST_ROUNDS], share[CJ_MOST_ROUNDS];
} figures;

static int by_size(const void *a, const void *b) {
  const double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

static figures measure(const kernel *what, const work *k, const cj_kernel_bench *o) {
  figures f;
  double once = 1;
  for (int i = 0; i < 5; i++) {
    const double started = now(false);
    what->run(k);
    once = fmin(once, now(false) - started);
  }
  const int times = once < 2e-3 ? (int)(2e-3 / (once + 1e-7)) + 1 : 1;
  for (int round = 0; round < o->rounds; round++) {
    const double started = now(o->processor);
    peak_run();
    const double between = now(o->processor);
    for (int i = 0; i < times; i++) what->run(k);
    const double ended = now(o->processor);
    const double peak = peak_operations() / (between - started);
    f.rate[round] = operations(&k->s) * times / (ended - between);
    f.share[round] = f.rate[round] / peak;
  }
  qsort(f.rate, (size_t)o->rounds, sizeof(double), by_size);
  qsort(f.share, (size_t)o->rounds, sizeof(double), by_size);
  return f;
}

static void report(const char *name, const figures *f, const cj_kernel_bench *o) {
  const int middle = o->rounds / 2, last = o->rounds - 1;
  const double giga = 1e-9;
  if (o->json)
    printf("%s{\"kernel\": \"%s\", \"threads\": %d, \"batch\": %d, \"gflops\": [%.2f, %.2f, %.2f], "
           "\"share\": [%.4f, %.4f, %.4f]}",
           o->first ? "" : ",\n ", name, cj_threads(), o->batch, giga * f->rate[0],
           giga * f->rate[middle], giga * f->rate[last], f->share[0], f->share[middle],
           f->share[last]);
  else
    printf("%-36s %d  %7.1f GFLOP/s (%.1f-%.1f)  %5.1f %% of the peak (%.1f-%.1f)\n", name,
           cj_threads(), giga * f->rate[middle], giga * f->rate[0], giga * f->rate[last],
           100 * f->share[middle], 100 * f->share[0], 100 * f->share[last]);
  fflush(stdout);
}

static bool wanted(const char *name, const cj_kernel_bench *o) {
  for (int i = 0; i < o->word_count; i++)
    if (!strstr(name, o->words[i])) return false;
  return true;
}

static void bench_kernel(const kernel *what, const shape *p, cj_kernel_bench *o) {
  char name[80];
  snprintf(name, sizeof name, "%s %dx%d/%d %d->%d at %d", what->name, (int)p->k, (int)p->k,
           (int)p->stride, (int)p->c_in, (int)p->c_out, (int)p->size);
  if (!wanted(name, o)) return;
  work k = work_new(p, o->batch);
  if (what->suits(&k)) {
    what->pack(&k);
    k.scratch = need(what->scratch(&k));
    const figures f = measure(what, &k, o);
    report(name, &f, o);
    o->first = false;
    cj_free(k.scratch);
  }
  work_drop(&k);
}

void CJ_KERNEL(bench)(cj_kernel_bench *o) {
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    for (size_t j = 0; j < sizeof kernels / sizeof *kernels; j++)
      bench_kernel(&kernels[j], &shapes[i], o);
}
