/* find.c -- looks up sets of base terms in the tables of the chosen instruction set. */
#include <string.h>

#include "core/cpu.h"
#include "packet/terms.h"

const cj_term_set *cj_term_set_find(const char *name, cj_dtype t) {
  cj_isa isa = CJ_BASE;
  if (cj_isa_choose(&isa) != CJ_OK) isa = CJ_BASE;
  for (const cj_term_set *const *file = cj_term_sets_tables[isa][t]; *file; file++)
    for (const cj_term_set *s = *file; s->name; s++)
      if (strcmp(s->name, name) == 0) return s;
  return NULL;
}
