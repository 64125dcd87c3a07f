/* plain.c -- the terms of self-normalised sums, of sums with a field, and of faces.
 *
 * With w = v l^2 and D = dl/dx + l d log nu / dx / 2:
 *   plain:  w, w (x - m), w (x - m)^2, v D^2, v l D, v l D (x - m)
 *   field:  these, and w a, w a^2, w a (x - m) for a field a
 *   faces:  these of plain, and v l^2 with x_i at its lower and at its upper face, where v is nu /
 *           q of the other pixels
 *   surface: the same of a direction, whose "faces" are the two sums of directions.h over all faces
 */
#include "packet/add_terms.h"

enum { PLAIN = 6, FIELD = 9, FACES = 8 };

static inline void plain_terms(const place *at, wide *b) {
  const double v = at->e->v[at->row], l = at->e->l[at->row];
  const wide none = {0};
  wide d, x;
  load_slope(at, &d);
  load_shift(at, &x);
  b[0] = none + v * l * l;
  b[1] = b[0] * x;
  b[2] = b[1] * x;
  b[3] = v * d * d;
  b[4] = v * l * d;
  b[5] = b[4] * x;
}

static inline void field_terms(const place *at, wide *b) {
  const double v = at->e->v[at->row], l = at->e->l[at->row];
  wide la, x;
  load_real(at, at->e->field, &la);
  load_shift(at, &x);
  plain_terms(at, b);
  b[6] = v * l * la;
  b[7] = v * la * la;
  b[8] = b[6] * x;
}

static inline void face_terms(const place *at, wide *b) {
  const int64_t i = at->row * at->e->n + at->i;
  plain_terms(at, b);
  load_double(at, at->e->low + i, &b[6]);
  load_double(at, at->e->high + i, &b[7]);
}

static void add_plain(const cj_evidence *e, double *sums) {
  add_terms(e, PLAIN, plain_terms, sums);
}

static void add_field(const cj_evidence *e, double *sums) {
  add_terms(e, FIELD, field_terms, sums);
}

static void add_faces(const cj_evidence *e, double *sums) {
  add_terms(e, FACES, face_terms, sums);
}

CJ_TERM_SETS(plain) = {{"plain", PLAIN, add_plain},
                       {"field", FIELD, add_field},
                       {"faces", FACES, add_faces},
                       {"surface", FACES, add_faces},
                       {0}};
