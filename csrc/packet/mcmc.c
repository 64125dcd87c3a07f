/* mcmc.c -- chains side by side: draw momenta, leap, ask the model, accept or stay, add. */
#include "packet/mcmc.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"
#include "core/random.h"
#include "core/threads.h"
#include "packet/adapt.h"
#include "packet/directions.h"
#include "packet/element.h"

/* The step of HMC is shortened by up to JITTER at random, so that a chain in a narrow place gets
 * away. */
static const double JITTER = 0.6;

enum { SMALL = 4096 }; /* numbers that are too few for more than one thread */

/* One call of cj_mcmc_run. */
typedef struct walk {
  cj_mcmc *m;
  const cj_packet *p;
  cj_oracle *o;
  cj_packet_sums *s;
  const cj_places *from; /* where a leap begins */
} walk;

/* Calls task for 0 .. pieces - 1; by one thread where there is too little to do for more. */
static void each(walk *w, int64_t pieces, cj_task task) {
  if (w->m->set.chains * w->p->reference.n > SMALL) {
    cj_parallel(pieces, task, w);
    return;
  }
  for (int64_t k = 0; k < pieces; k++) task(w, k);
}

/* --- memory ------------------------------------------------------------------------------------
 */

void cj_mcmc_drop(cj_mcmc *m) {
  void *blocks[] = {m->momentum, m->scratch, m->eps,    m->energy, m->chance,
                    m->v,        m->ones,    m->slopes, m->near};
  for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++) cj_free(blocks[i]);
  cj_places_drop(&m->now);
  cj_places_drop(&m->next);
  cj_traces_drop(&m->traces);
  cj_chain_field_drop(&m->field);
  *m = (cj_mcmc){0};
}

static cj_status open_all(cj_mcmc *m, const cj_packet *p) {
  const int64_t n = p->reference.n, chains = m->set.chains;
  const size_t each = (size_t)chains * sizeof(double);
  CJ_TRY(cj_places_open(&m->now, p, chains));
  CJ_TRY(cj_places_open(&m->next, p, chains));
  CJ_TRY(cj_traces_open(&m->traces, chains, n + 1, m->set.keep));
  m->momentum = cj_alloc_zeroed(each * (size_t)n);
  m->scratch = cj_alloc(each * (size_t)(n + p->reference.count));
  m->eps = cj_alloc_zeroed(each);
  m->energy = cj_alloc_zeroed(each);
  m->chance = cj_alloc_zeroed(each);
  m->v = cj_alloc_zeroed(each);
  m->ones = cj_alloc(each);
  m->near = cj_alloc_zeroed((size_t)chains * sizeof *m->near);
  if (m->momentum && m->scratch && m->eps && m->energy && m->chance && m->v && m->ones && m->near)
    return CJ_OK;
  return cj_fail(CJ_EMEM, "no memory for %lld chains", (long long)chains);
}

cj_status cj_mcmc_open(cj_mcmc *m, const cj_packet *p, const cj_mcmc_settings *set) {
  *m = (cj_mcmc){.set = *set, .log_eps = -log((double)p->reference.n) / 6};
  const cj_status status = open_all(m, p);
  if (status != CJ_OK) {
    cj_mcmc_drop(m);
    return status;
  }
  for (int64_t c = 0; c < set->chains; c++) {
    m->ones[c] = 1;
    m->now.level[c] = -INFINITY; /* the first step draws a point for every chain */
  }
  return CJ_OK;
}

/* --- the density that is drawn from ------------------------------------------------------------
 */

/* |h|^2 from which on the defence holds; nowhere before the chains have found their way. */
static double limit(const cj_mcmc *m) {
  const bool holds = m->set.defence > 0 && m->quantiles > 0 && m->step >= m->set.burn / 2;
  return holds ? exp(m->log_limit) : INFINITY;
}

/* v = rho / q at chain c. */
static double share(const cj_mcmc *m, const cj_places *at, int64_t c) {
  return at->steep[c] > limit(m) ? limit(m) / at->steep[c] : 1;
}

static double log_density(const cj_mcmc *m, const cj_places *at, int64_t c) {
  return at->level[c] + at->volume[c] - log(share(m, at, c));
}

/* About d log q / dy, pixel i of chain c: what drives the walk need not be exact, only what
 * accepts. Where the defence holds, q goes with |grad l|^2, whose slope would need second
 * derivatives. It is that of a product of functions of one pixel near their zeros (or of one linear
 * function), and kept from growing beyond what it is where the defence begins. Where l falls off
 * exponentially it is 2 h instead, and steps there are refused more often: losses that cannot
 * vanish need no defence. */
static double force(const walk *w, const cj_places *at, int64_t c, int64_t i, double most,
                    bool flat) {
  const cj_reference *r = &w->p->reference;
  const int64_t k = c * r->n + i;
  double h = get_element(r->dtype, at->h, k);
  if (at->steep[c] > most) {
    h *= 1 - h * h / at->steep[c];
    if (at->blunt[c] > most) h *= sqrt(most / at->blunt[c]);
  }
  const double score = flat ? 0 : get_element(r->dtype, at->score, k);
  return (2 * h + score) * at->slope[k] + at->bend[k];
}

/* --- asking the model --------------------------------------------------------------------------
 */

/* log l into the levels, and d log l / dz. */
static cj_status levels(const walk *w, const cj_logits *z) {
  cj_mcmc *m = w->m;
  if (!m->slopes) m->slopes = cj_alloc((size_t)(z->rows * z->classes) * sizeof(double));
  if (!m->slopes) return cj_fail(CJ_EMEM, "no memory for slopes");
  m->classes = z->classes;
  for (int64_t c = 0; c < z->rows; c++) {
    double *slope = m->slopes + c * z->classes;
    const double l =
        cj_packet_value(&w->p->loss, z->classes, z->z + c * z->classes, w->p->labels[0], slope);
    for (int64_t k = 0; k < z->classes; k++) slope[k] = l != 0 ? slope[k] / l : 0;
    m->next.l[c] = l;
    m->next.level[c] += 2 * log(fabs(l));
  }
  return CJ_OK;
}

static void steep_task(void *context, int64_t c) {
  const walk *w = context;
  const int64_t n = w->p->reference.n;
  double steep = 0, blunt = 0;
  for (int64_t i = 0; i < n; i++) {
    const double h = get_element(w->p->reference.dtype, w->m->next.h, c * n + i);
    steep += h * h;
  }
  for (int64_t i = 0; steep > 0 && i < n; i++) {
    const double h = get_element(w->p->reference.dtype, w->m->next.h, c * n + i);
    blunt += h * h * (1 - h * h / steep) * (1 - h * h / steep);
  }
  w->m->next.steep[c] = steep;
  w->m->next.blunt[c] = blunt;
}

/* What the model says of the next places. */
static cj_status ask(walk *w) {
  cj_places *at = &w->m->next;
  cj_logits z = {0};
  cj_tensor h = {0};
  if (cj_stop_requested()) return cj_fail(CJ_ESTOP, "interrupted");
  cj_status status = cj_oracle_logits(w->o, &at->x, true, w->m->classes, &z);
  if (status == CJ_OK) status = cj_packet_check_logits(w->p, &z);
  if (status == CJ_OK) status = levels(w, &z);
  if (status == CJ_OK) status = cj_oracle_pull(w->o, &z, w->m->slopes, false, &h);
  if (status == CJ_OK) status = cj_packet_check_gradient(&h);
  if (status == CJ_OK) memcpy(at->h, h.data, (size_t)cj_numel(&h) * cj_dtype_bytes(h.dtype));
  cj_tensor_drop(&h);
  cj_logits_drop(&z);
  if (status == CJ_OK) each(w, w->m->set.chains, steep_task);
  return status;
}

/* --- one step ----------------------------------------------------------------------------------
 */

static double kinetic(const walk *w, int64_t c) {
  const double *p = w->m->momentum + c * w->p->reference.n;
  double sum = 0;
  for (int64_t i = 0; i < w->p->reference.n; i++) sum += p[i] * p[i];
  return sum / 2;
}

/* The stream of chain c at this step. */
static cj_stream stream(const walk *w, const char *purpose, int64_t c) {
  return cj_stream_open(w->p->reference.seed, purpose,
                        (uint64_t)(w->m->step * w->m->set.chains + c));
}

/* A chain without a place takes a point of nu instead of a step: eps = 0 leaves it there. */
static void begin_task(void *context, int64_t c) {
  const walk *w = context;
  cj_mcmc *m = w->m;
  const int64_t n = w->p->reference.n;
  const cj_stream momenta = stream(w, "packet.momentum", c);
  cj_stream_normals(&momenta, 0, n, m->momentum + c * n);
  m->energy[c] = kinetic(w, c);
  m->eps[c] = exp(m->log_eps);
  if (m->set.leaps > 1) {
    const cj_stream jitter = stream(w, "packet.jitter", c);
    m->eps[c] *= 1 - JITTER * cj_stream_uniform(&jitter, 0);
  }
  memcpy(m->next.y + c * n, m->now.y + c * n, (size_t)n * sizeof(double));
  if (!cj_place_dead(&m->now, c)) return;
  m->eps[c] = 0;
  m->near[c] = cj_reference_draw(&w->p->reference, m->step * m->set.chains + c,
                                 cj_place_row(w->p, m->next.x.data, c));
  cj_place_from_x(w->p, &m->next, c);
}

static void kick(const walk *w, const cj_places *at, int64_t c) {
  const int64_t n = w->p->reference.n;
  const double half = w->m->eps[c] / 2, most = limit(w->m);
  const bool flat = cj_reference_flat(&w->p->reference);
  double *p = w->m->momentum + c * n;
  for (int64_t i = 0; i < n; i++) p[i] += half * force(w, at, c, i, most, flat);
}

static void leap_task(void *context, int64_t c) {
  const walk *w = context;
  const int64_t n = w->p->reference.n;
  cj_mcmc *m = w->m;
  kick(w, w->from, c);
  for (int64_t i = 0; i < n; i++) m->next.y[c * n + i] += m->eps[c] * m->momentum[c * n + i];
  cj_place_to_x(w->p, &m->next, c, m->near[c], m->scratch + c * (n + w->p->reference.count));
}

static void kick_task(void *context, int64_t c) {
  const walk *w = context;
  kick(w, &w->m->next, c);
}

static void decide_task(void *context, int64_t c) {
  const walk *w = context;
  cj_mcmc *m = w->m;
  const cj_stream luck = stream(w, "packet.accept", c);
  double chance = 0;
  if (!cj_place_dead(&m->next, c)) {
    const double gain =
        log_density(m, &m->next, c) - log_density(m, &m->now, c) + m->energy[c] - kinetic(w, c);
    chance = gain >= 0 ? 1 : gain < 0 ? exp(gain) : 0; /* 0 when it is no number */
  }
  m->chance[c] = chance;
  if (cj_stream_uniform(&luck, 0) < chance) cj_place_copy(w->p, &m->now, &m->next, c);
}

/* A random number of leaps, the same for all chains, so that no orbit closes time and again. */
static cj_status take_step(walk *w) {
  cj_mcmc *m = w->m;
  const cj_stream s = cj_stream_open(w->p->reference.seed, "packet.leaps", (uint64_t)m->step);
  const int64_t leaps = 1 + (int64_t)cj_stream_below(&s, 0, (uint64_t)m->set.leaps);
  each(w, m->set.chains, begin_task);
  for (int64_t leap = 0; leap < leaps; leap++) {
    w->from = leap == 0 ? &m->now : &m->next;
    each(w, m->set.chains, leap_task);
    CJ_TRY(ask(w));
    each(w, m->set.chains, kick_task);
  }
  each(w, m->set.chains, decide_task);
  return cj_stop_requested() ? cj_fail(CJ_ESTOP, "interrupted") : CJ_OK;
}

/* --- around the steps --------------------------------------------------------------------------
 */

/* Adds the chains of one batch. */
static void add_task(void *context, int64_t b) {
  const walk *w = context;
  cj_mcmc *m = w->m;
  const int64_t rows = m->set.chains / CJ_BATCHES, first = b * rows, n = w->p->reference.n;
  for (int64_t c = first; c < first + rows; c++) {
    m->v[c] = cj_place_dead(&m->now, c) ? 0 : share(m, &m->now, c);
    cj_weights_add(&w->s->weights[b], m->v[c] * m->now.steep[c]);
    const int64_t step = m->step - m->set.burn;
    for (int64_t i = 0; i < n; i++)
      cj_traces_add(&m->traces, c, step, i,
                    get_element(w->p->reference.dtype, m->now.x.data, c * n + i));
    cj_traces_add(&m->traces, c, step, n, cj_place_dead(&m->now, c) ? 0 : m->now.level[c]);
  }
  const cj_evidence e = {
      .rows = rows,
      .n = n,
      .l = m->ones,
      .v = m->v + first,
      .x = cj_place_row(w->p, m->now.x.data, first),
      .g = cj_place_row(w->p, m->now.h, first),
      .score = cj_reference_flat(&w->p->reference) ? NULL : cj_place_row(w->p, m->now.score, first),
      .field = m->field.values ? cj_place_row(w->p, m->field.values, first) : NULL,
      .centre = w->p->centre};
  cj_moments_add(&w->s->all[0], (int)b, &e);
  if (e.score) cj_moments_add(&w->s->parts[0], (int)b, &e);
  if (w->s->directions) cj_directions_add(w->s->directions, w->p, 0, (int)b, &e);
}

/* Do pencils go through the samples of this step? Their rounds are spread evenly over the kept
 * steps, the last of which has one. */
static bool pencils_due(const cj_mcmc *m) {
  const cj_pencils *s = m->pencils;
  return s && (m->step - m->set.burn + 1) * s->set.rounds >= (s->done + 1) * m->set.keep;
}

static cj_status keep(walk *w) {
  cj_mcmc *m = w->m;
  const double rate = cj_mcmc_acceptance(m);
  if (rate >= 0) {
    m->accepted += rate;
    m->moved++;
  }
  if (w->p->field) CJ_TRY(cj_chain_field_ask(&m->field, w->p, &m->now, m->set.chains));
  each(w, CJ_BATCHES, add_task);
  w->s->done += m->set.chains;
  if (!pencils_due(m)) return CJ_OK;
  const cj_pencil_round round = {m->set.chains, m->now.x.data, m->v};
  return cj_pencils_add(m->pencils, w->p, w->o, &round);
}

cj_status cj_mcmc_run(cj_mcmc *m, const cj_packet *p, cj_oracle *o, int64_t count,
                      cj_packet_sums *s) {
  walk w = {.m = m, .p = p, .o = o, .s = s};
  const int64_t before[2] = {o->forwards, o->backwards}, all = m->set.burn + m->set.keep;
  cj_status status = CJ_OK;
  for (int64_t k = 0; k < count && m->step < all && status == CJ_OK; k++) {
    status = take_step(&w);
    if (status != CJ_OK) break;
    if (m->step < m->set.burn)
      cj_mcmc_adapt(m);
    else
      status = keep(&w);
    m->step++;
  }
  s->forwards += o->forwards - before[0];
  s->backwards += o->backwards - before[1];
  return status;
}
