/* packet.h -- measurements of packets, for the files of the binding that fill and read them. */
#ifndef CJ_LUA_PACKET_H
#define CJ_LUA_PACKET_H

#include "lua/binding.h"
#include "packet/directions.h"
#include "packet/estimate.h"
#include "packet/mcmc.h"
#include "packet/pencil.h"
#include "packet/run.h"

typedef struct measurement {
  cj_packet p;
  cj_packet_sums sums;
  cj_mcmc mcmc;             /* without chains: points of the reference */
  cj_pencils pencils;       /* without rounds: none */
  cj_directions directions; /* without directions: none */
  cj_tilt tilt;             /* of a defensive mixture */
  cj_tensor centres, centre, vectors;
  int64_t *labels, *pixels, *pencil_pixels;
} measurement;

/* The measurement at index i; borrowed: keep it on the stack. */
measurement *check_measurement(lua_State *L, int i);
/* The label's place at index i, from 0. */
int64_t check_place(lua_State *L, int i, const measurement *m);

/* A list of whole numbers low..high in a field of the table at index spec, minus `from`, in memory
 * that the caller frees. */
int64_t *packet_list(lua_State *L, int spec, const char *name, int64_t low, int64_t high,
                     int64_t from, int64_t *count);

/* How the moments of pixel i, which is number k of theirs, are to be read, and its means. */
cj_reading packet_reading(const measurement *m, const cj_moments *moments, int64_t k, int64_t i,
                          cj_means *means);

/* Pushes values and errors of all quantities, float64 [quantities, pixels], for moments of these
 * pixels, or of all (NULL); NaN where the terms do not tell. */
void push_estimates(lua_State *L, const measurement *m, const cj_moments *moments,
                    const int64_t *pixels);

#endif
