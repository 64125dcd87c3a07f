/* picture_champion.h -- the largest of some pixels, channel by channel, and where it stood.
 *
 * Values come in the order of their places: a later one wins when it is larger, or when it is the
 * first NaN. */
#ifndef CJ_PICTURE_CHAMPION_H
#define CJ_PICTURE_CHAMPION_H

#include "kernels/picture_planes.h"

#if defined(CJ_ISA_avx512) && defined(CJ_TYPE_f32)
typedef uint8_t places __attribute__((vector_size(16)));
typedef __mmask16 wins;

CJ_INLINE places places_all(int place) {
  return (places)_mm_set1_epi8((char)place);
}

CJ_INLINE places places_plus(places p, int more) {
  return p + (uint8_t)more;
}

CJ_INLINE places places_choose(wins take, places a, places b) {
  return (places)_mm_mask_mov_epi8((__m128i)b, take, (__m128i)a);
}

CJ_INLINE pixel pixel_choose(wins take, pixel a, pixel b) {
  return (pixel){{(vec)_mm512_mask_mov_ps((__m512)b.v[0], take, (__m512)a.v[0])}};
}

CJ_INLINE wins pixel_beats(pixel later, pixel best) {
  const __mmask16 number = _mm512_cmp_ps_mask((__m512)best.v[0], (__m512)best.v[0], _CMP_ORD_Q);
  return _mm512_mask_cmp_ps_mask(number, (__m512)later.v[0], (__m512)best.v[0], _CMP_NLE_UQ);
}

CJ_INLINE void places_store(uint8_t *to, places p) {
  _mm_storeu_si128((__m128i *)to, (__m128i)p);
}

/* The lanes of g whose winner is `place`, zeros in the others. */
CJ_INLINE pixel pixel_won(const uint8_t *winner, int place, pixel g) {
  const __mmask16 won =
      _mm_cmpeq_epi8_mask(_mm_loadu_si128((const __m128i *)winner), _mm_set1_epi8((char)place));
  return (pixel){{(vec)_mm512_maskz_mov_ps(won, (__m512)g.v[0])}};
}
#else
typedef struct places {
  wholes v[PIXEL_VECS];
} places;
typedef places wins; /* all bits set where a later value wins */

CJ_INLINE places places_all(int place) {
  places p;
#pragma GCC unroll 8
  for (int k = 0; k < PIXEL_VECS; k++) p.v[k] = (wholes){0} + place;
  return p;
}

CJ_INLINE places places_plus(places p, int more) {
#pragma GCC unroll 8
  for (int k = 0; k < PIXEL_VECS; k++) p.v[k] += more;
  return p;
}

CJ_INLINE places places_choose(wins take, places a, places b) {
#pragma GCC unroll 8
  for (int k = 0; k < PIXEL_VECS; k++) b.v[k] = (take.v[k] & a.v[k]) | (~take.v[k] & b.v[k]);
  return b;
}

CJ_INLINE pixel pixel_choose(wins take, pixel a, pixel b) {
#pragma GCC unroll 8
  for (int k = 0; k < PIXEL_VECS; k++)
    b.v[k] = (vec)((take.v[k] & (wholes)a.v[k]) | (~take.v[k] & (wholes)b.v[k]));
  return b;
}

CJ_INLINE wins pixel_beats(pixel later, pixel best) {
  wins take;
#pragma GCC unroll 8
  for (int k = 0; k < PIXEL_VECS; k++)
    take.v[k] = ~(wholes)(later.v[k] <= best.v[k]) & (wholes)(best.v[k] == best.v[k]);
  return take;
}

CJ_INLINE void places_store(uint8_t *to, places p) {
#pragma GCC unroll 8
  for (int k = 0; k < PIXEL_VECS; k++)
#pragma GCC unroll 8
    for (int i = 0; i < LANES; i++) to[k * LANES + i] = (uint8_t)p.v[k][i];
}

/* The lanes of g whose winner is `place`, zeros in the others. */
CJ_INLINE pixel pixel_won(const uint8_t *winner, int place, pixel g) {
#pragma GCC unroll 8
  for (int k = 0; k < PIXEL_VECS; k++) {
    wholes at;
#pragma GCC unroll 8
    for (int i = 0; i < LANES; i++) at[i] = winner[k * LANES + i];
    g.v[k] = (vec)((wholes)g.v[k] & (wholes)(at == place));
  }
  return g;
}
#endif

typedef struct champion {
  pixel best;
  places place;
} champion;

CJ_INLINE champion champion_of(pixel x, int place) {
  return (champion){x, places_all(place)};
}

CJ_INLINE void champion_meet(champion *c, champion later) {
  const wins take = pixel_beats(later.best, c->best);
  c->best = pixel_choose(take, later.best, c->best);
  c->place = places_choose(take, later.place, c->place);
}

/* winner may be NULL. */
CJ_INLINE void champion_store(champion c, real *y, uint8_t *winner) {
  pixel_store(y, c.best);
  if (winner) places_store(winner, c.place);
}

#endif
