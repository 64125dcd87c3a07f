/* loop.c -- the loop that all iterated attacks share. */
#include "attacks/attack.h"
