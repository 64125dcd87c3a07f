/* ascent.c -- iterated steps along a direction, each projected onto the ball and the box: FGSM,
 * PGD, BIM, the walks of IFA and every conjugate that is followed [Madry et al. 2018, section 2.1].
 *
 * Each restart is: start, then `steps` times (gradient, direction, step, projection), then the
 * logits of the last iterate, which is a candidate too. */
#include <math.h>
#include <string.h>

#include "attacks/measure.h"
#include "attacks/trial.h"
#include "kernels/kernel.h"

typedef struct ascent {
  const cj_direction *direction; /* NULL: made outside */
  real *d, *next;
  void *memory, *scratch; /* of the direction, of the projection */
  bool started;
} ascent;

static bool random_start(const cj_attack *a) {
  return a->random_start && a->steps > 0;
}

static const cj_direction *direction_of(const cj_attack *a) {
  return a->direction ? cj_direction_find(a->direction, CJ_REAL) : NULL;
}

static size_t memory_bytes(const cj_direction *d, int64_t n) {
  return d ? (size_t)(d->states * n) * sizeof(real) : 0;
}

static size_t ascent_state(const cj_attack *a, int64_t n, int64_t classes) {
  const size_t each = cj_aligned((size_t)n * sizeof(real));
  (void)classes;
  return cj_aligned(sizeof(ascent)) + 2 * each + cj_aligned(memory_bytes(direction_of(a), n)) +
         (size_t)n * cj_projection_find(a->norm, CJ_REAL)->scratch;
}

/* Lays out the state. */
static ascent *ready(cj_trial *t) {
  ascent *s = t->state;
  const size_t each = cj_aligned((size_t)t->n * sizeof(real));
  char *at = (char *)t->state + cj_aligned(sizeof(ascent));
  if (s->d) return s;
  s->direction = direction_of(t->a);
  s->d = (real *)at;
  s->next = (real *)(at + each);
  s->memory = at + 2 * each;
  s->scratch = at + 2 * each + cj_aligned(memory_bytes(s->direction, t->n));
  return s;
}

static cj_ask start(cj_trial *t, ascent *s) {
  const cj_start_key key = {t->a->seed, t->index, (uint64_t)t->restart};
  s->started = true;
  t->step = 0;
  if (s->direction) memset(s->memory, 0, memory_bytes(s->direction, t->n));
  if (random_start(t->a))
    t->ball_norm->start(&t->ball, &key, t->n, t->x, t->point, s->scratch);
  else
    memcpy(t->point, t->x, (size_t)t->n * sizeof(real));
  return CJ_ASK_POINT;
}

static cj_ask finish(cj_trial *t, ascent *s) {
  if (t->nan || t->kept.hit || ++t->restart == t->a->restarts) return CJ_ASK_END;
  return start(t, s);
}

static cj_ask ascent_seen(cj_trial *t) {
  ascent *s = ready(t);
  const cj_attack *a = t->a;
  if (!s->started && random_start(a)) return start(t, s);
  s->started = true;
  t->value = cj_trial_loss(t);
  const bool over = t->nan || t->step == a->steps || (a->early && cj_trial_reached(t));
  if (a->best || over) cj_trial_keep_highest(t, t->value);
  return over ? finish(t, s) : CJ_ASK_PULL;
}

/* The direction in s->d; false if it is not finite. */
static bool aim(const cj_trial *t, const ascent *s) {
  if (s->direction)
    s->direction->apply(t->n, t->g, s->memory, s->d);
  else
    memcpy(s->d, t->d, (size_t)t->n * sizeof(real));
  if ((!s->direction || isinf(t->size)) && !isfinite(t->linf->norm(t->n, s->d))) return false;
  if (t->a->scale == CJ_SCALE_NONE) return true;
  const cj_projection *p = t->a->scale == CJ_SCALE_LINF ? t->linf : t->l2;
  cj_attack_divide(CJ_REAL, t->n, s->d, p->norm(t->n, s->d));
  return true;
}

static cj_ask ascent_pulled(cj_trial *t) {
  const ascent *s = t->state;
  const bool usable = aim(t, s);
  t->nan |= !usable; /* stays where it is, and stops when that was judged again */
  t->ball_norm->move(&t->ball, t->n, usable ? t->alpha : 0, usable ? s->d : NULL, t->x, t->point,
                     s->next, s->scratch);
  memcpy(t->point, s->next, (size_t)t->n * sizeof(real));
  t->record->iters++;
  t->step++;
  return t->step == t->a->steps || t->nan ? CJ_ASK_LOGITS : CJ_ASK_POINT;
}

CJ_METHODS(ascent) = {{.name = "ascent",
                       .numbers = (const char *const[]){NULL},
                       .state = ascent_state,
                       .seen = ascent_seen,
                       .pulled = ascent_pulled,
                       .traced = true,
                       .inside = true,
                       .every = true},
                      {0}};
