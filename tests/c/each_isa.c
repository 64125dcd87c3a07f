/* Runs a test of kernels in every instruction set that was compiled in and that this machine runs,
 * for both floats. */
#include <stdio.h>
#include <stdlib.h>

#include "core/cpu.h"

#define EACH(isa)                                                                                  \
  int cj_test_##isa##_f32(void);                                                                   \
  int cj_test_##isa##_f64(void);
#ifdef CJ_HAS_BASE
EACH(base)
#endif
#ifdef CJ_HAS_AVX2
EACH(avx2)
#endif
#ifdef CJ_HAS_AVX512
EACH(avx512)
#endif

typedef struct test {
  const char *isa, *type;
  int (*run)(void);
} test;

static const test tests[] = {
#ifdef CJ_HAS_BASE
    {"base", "f32", cj_test_base_f32},     {"base", "f64", cj_test_base_f64},
#endif
#ifdef CJ_HAS_AVX2
    {"avx2", "f32", cj_test_avx2_f32},     {"avx2", "f64", cj_test_avx2_f64},
#endif
#ifdef CJ_HAS_AVX512
    {"avx512", "f32", cj_test_avx512_f32}, {"avx512", "f64", cj_test_avx512_f64},
#endif
};

int main(void) {
  int failed = 0;
  for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) {
    const test *t = &tests[i];
    cj_isa isa;
    setenv("CJ_ISA", t->isa, 1);
    if (cj_isa_choose(&isa) != CJ_OK) {
      printf("skipped %s %s: %s\n", t->isa, t->type, cj_errmsg());
      continue;
    }
    if (t->run()) {
      printf("failed in %s %s\n", t->isa, t->type);
      failed = 1;
    }
  }
  return failed;
}
