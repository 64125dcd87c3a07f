/* cpu.c -- what this processor can do, and what the environment asks for. */
#include "core/cpu.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char *const names[CJ_ISAS] = {"base", "avx2", "avx512"};

const char *cj_isa_name(cj_isa isa) {
  return names[isa];
}

static bool compiled_in(cj_isa isa) {
  switch (isa) {
#ifdef CJ_HAS_BASE
  case CJ_BASE:
    return true;
#endif
#ifdef CJ_HAS_AVX2
  case CJ_AVX2:
    return true;
#endif
#ifdef CJ_HAS_AVX512
  case CJ_AVX512:
    return true;
#endif
  default:
    return false;
  }
}

static bool runs_here(cj_isa isa) {
#if defined(__x86_64__)
  switch (isa) {
  case CJ_AVX2:
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi2");
  case CJ_AVX512:
    return runs_here(CJ_AVX2) && __builtin_cpu_supports("avx512f") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl");
  default:
    return true;
  }
#else
  return isa == CJ_BASE;
#endif
}

static cj_status choose_named(cj_isa *out, const char *name) {
  for (int isa = 0; isa < CJ_ISAS; isa++) {
    if (strcmp(names[isa], name) != 0) continue;
    if (!compiled_in((cj_isa)isa))
      return cj_fail(CJ_EARG, "CJ_ISA: instruction set %s was not compiled in", name);
    if (!runs_here((cj_isa)isa))
      return cj_fail(CJ_EARG, "CJ_ISA: this machine does not run instruction set %s", name);
    *out = (cj_isa)isa;
    return CJ_OK;
  }
  return cj_fail(CJ_EARG, "CJ_ISA: expected base, avx2 or avx512, got %.40s", name);
}

cj_status cj_isa_choose(cj_isa *out) {
  const char *name = getenv("CJ_ISA");
  if (name && *name) return choose_named(out, name);
  for (int isa = CJ_ISAS - 1; isa >= 0; isa--)
    if (compiled_in((cj_isa)isa) && runs_here((cj_isa)isa)) {
      *out = (cj_isa)isa;
      return CJ_OK;
    }
  return cj_fail(CJ_EARG, "no instruction set that was compiled in runs on this machine");
}
