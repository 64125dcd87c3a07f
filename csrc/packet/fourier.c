/* fourier.c -- radix-2 transform in place: order by reversed bits, then butterflies of growing
 * size. Every root of unity is computed by itself, so errors grow with log n only. */
#include "packet/fourier.h"

#include <math.h>
#include <string.h>

#include "core/memory.h"

typedef struct complex {
  double re, im;
} complex;

static void reverse_bits(int64_t n, complex *z) {
  for (int64_t i = 1, j = 0; i < n; i++) {
    int64_t bit = n / 2;
    for (; j & bit; bit /= 2) j ^= bit;
    j ^= bit;
    if (i >= j) continue;
    const complex kept = z[i];
    z[i] = z[j];
    z[j] = kept;
  }
}

/* roots[k] = exp(-2 pi i k / n), k < n / 2. */
static void butterflies(int64_t n, const complex *roots, complex *z) {
  for (int64_t half = 1; half < n; half *= 2)
    for (int64_t from = 0; from < n; from += 2 * half)
      for (int64_t k = 0; k < half; k++) {
        const complex w = roots[k * (n / (2 * half))];
        complex *a = z + from + k, *b = a + half;
        const complex turned = {b->re * w.re - b->im * w.im, b->re * w.im + b->im * w.re};
        *b = (complex){a->re - turned.re, a->im - turned.im};
        *a = (complex){a->re + turned.re, a->im + turned.im};
      }
}

static void fill_roots(int64_t n, complex *roots) {
  for (int64_t k = 0; k < n / 2; k++) {
    const double angle = -2 * M_PI * (double)k / (double)n;
    roots[k] = (complex){cos(angle), sin(angle)};
  }
}

/* Every `stride`-th number from z on, through the line. */
static void transform(int64_t n, int64_t stride, const complex *roots, complex *z, complex *line) {
  for (int64_t k = 0; k < n; k++) line[k] = z[k * stride];
  reverse_bits(n, line);
  butterflies(n, roots, line);
  for (int64_t k = 0; k < n; k++) z[k * stride] = line[k];
}

cj_status cj_fourier(int64_t rows, int64_t columns, double *z) {
  const int64_t most = rows > columns ? rows : columns;
  if (rows < 1 || columns < 1 || (rows & (rows - 1)) || (columns & (columns - 1)))
    return cj_fail(CJ_EARG, "expected powers of two, got %lld x %lld", (long long)rows,
                   (long long)columns);
  complex *room = cj_alloc((size_t)(most + most / 2) * sizeof *room), *roots = room + most;
  if (!room) return cj_fail(CJ_EMEM, "no memory for a transform of %lld", (long long)most);
  fill_roots(columns, roots);
  complex *of = (complex *)(void *)z;
  for (int64_t r = 0; r < rows; r++) transform(columns, 1, roots, of + r * columns, room);
  fill_roots(rows, roots);
  for (int64_t c = 0; rows > 1 && c < columns; c++) transform(rows, columns, roots, of + c, room);
  cj_free(room);
  return CJ_OK;
}
