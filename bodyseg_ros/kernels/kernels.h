/* What the kernels share. They are called from Python by ctypes: nothing here knows Python, nothing keeps state.
 *
 * Arithmetic is float32 in the order of the NumPy versions, and compiled without contraction
 * (-ffp-contract=off), so that both give the same pixels. All arrays are C-contiguous. */
#ifndef BODYSEG_KERNELS_H
#define BODYSEG_KERNELS_H

#include <stdint.h>

/* Compiled for plain x86-64 and for AVX2, which takes a quarter less time; selected at loading. */
#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
#define FAST __attribute__((target_clones("avx2", "default")))
#else
#define FAST
#endif
#define INLINE static inline __attribute__((always_inline))

/* Four floats at any address. */
typedef float Four __attribute__((vector_size(16), aligned(4), may_alias));

/* Python refuses a library of another version: raise it with every change of a signature or struct. */
#define KERNELS_VERSION 2
#define JOINTS 17
#define EDGES 16
#define NO_MEMORY (-1)

/* One axis of a bilinear resize: output i = lower_weight[i]·in[lower[i]] + upper_weight[i]·in[upper[i]]. */
typedef struct {
    const int32_t *lower, *upper;
    const float *lower_weight, *upper_weight;
    int32_t count;
} Taps;

#endif
