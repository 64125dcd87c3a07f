/* Measures the kernels of the instruction set that CJ_ISA names, or of the best; see kernels.c. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cpu.h"
#include "core/threads.h"

#define CJ_ISA base
#define CJ_TYPE f32
#define CJ_TYPE_f32 1
#include "kernels.h"

static const char usage[] =
    "usage: scripts/bench kernels [WORD ...] [--rounds N] [--batch N] [--threads N] [--cpu] "
    "[--json]\n"
    "Kernels whose name holds all words, with 1 and with N (2) threads. --cpu: per second of "
    "processor time of all threads, which other work on the machine disturbs little.\n";

typedef void (*bench)(cj_kernel_bench *o);
#ifndef CJ_HAS_BASE
#define cj_bench_base_f32 NULL
#endif
#ifdef CJ_HAS_AVX2
void cj_bench_avx2_f32(cj_kernel_bench *o);
#else
#define cj_bench_avx2_f32 NULL
#endif
#ifdef CJ_HAS_AVX512
void cj_bench_avx512_f32(cj_kernel_bench *o);
#else
#define cj_bench_avx512_f32 NULL
#endif
static const bench benches[CJ_ISAS] = {cj_bench_base_f32, cj_bench_avx2_f32, cj_bench_avx512_f32};

static int number(const char *text) {
  const int n = text ? atoi(text) : 0;
  if (n < 1 || n > CJ_MOST_ROUNDS) {
    fprintf(stderr, "%s", usage);
    exit(2);
  }
  return n;
}

static void run(bench f, cj_kernel_bench *o, int threads) {
  cj_set_threads(threads);
  f(o);
}

int main(int argc, char **argv) {
  cj_kernel_bench o = {.words = argv, .rounds = 21, .batch = 16, .first = true};
  int threads = 2;
  for (int i = 1; i < argc; i++)
    if (strcmp(argv[i], "--rounds") == 0)
      o.rounds = number(argv[++i]);
    else if (strcmp(argv[i], "--batch") == 0)
      o.batch = number(argv[++i]);
    else if (strcmp(argv[i], "--threads") == 0)
      threads = number(argv[++i]);
    else if (strcmp(argv[i], "--cpu") == 0)
      o.processor = true;
    else if (strcmp(argv[i], "--json") == 0)
      o.json = true;
    else if (argv[i][0] == '-')
      number(NULL);
    else
      o.words[o.word_count++] = argv[i];
  cj_isa isa;
  if (cj_isa_choose(&isa) != CJ_OK) {
    fprintf(stderr, "%s\n", cj_errmsg());
    return 1;
  }
  if (o.json) printf("[");
  run(benches[isa], &o, 1);
  if (threads > 1) run(benches[isa], &o, threads);
  if (o.json) printf("]\n");
  return 0;
}
