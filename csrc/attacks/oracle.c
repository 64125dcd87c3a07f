/* oracle.c -- what an attack may ask of a model. */
#include "attacks/attack.h"
