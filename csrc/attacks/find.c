/* find.c -- looks up methods, directions and projections in the tables of the chosen instruction
 * set. */
#include <string.h>

#include "attacks/trial.h"
#include "core/cpu.h"

static cj_isa chosen_isa(void) {
  static _Thread_local int known = -1; /* choosing reads the environment: once is enough */
  cj_isa isa = CJ_BASE;
  if (known < 0) known = cj_isa_choose(&isa) == CJ_OK ? (int)isa : (int)CJ_BASE;
  return (cj_isa)known;
}

const cj_method *cj_method_find(const char *name, cj_dtype t) {
  const cj_method *const *files = cj_methods_tables[chosen_isa()][t];
  for (; *files; files++)
    for (const cj_method *m = *files; m->name; m++)
      if (strcmp(m->name, name) == 0) return m;
  return NULL;
}

const cj_direction *cj_direction_find(const char *name, cj_dtype t) {
  const cj_direction *const *files = cj_directions_tables[chosen_isa()][t];
  for (; *files; files++)
    for (const cj_direction *d = *files; d->name; d++)
      if (strcmp(d->name, name) == 0) return d;
  return NULL;
}

const cj_projection *cj_projection_find(const char *name, cj_dtype t) {
  const cj_projection *const *files = cj_projections_tables[chosen_isa()][t];
  for (; *files; files++)
    for (const cj_projection *p = *files; p->name; p++)
      if (strcmp(p->name, name) == 0) return p;
  return NULL;
}

const char *cj_direction_name(int i) {
  const cj_direction *const *files = cj_directions_tables[chosen_isa()][CJ_F32];
  for (; *files; files++)
    for (const cj_direction *d = *files; d->name; d++)
      if (i-- == 0) return d->name;
  return NULL;
}
