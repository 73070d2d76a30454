#pragma once

// A function whose loops the compiler makes into vectors, with all it calls: once for AVX2 and once
// for every machine. No product is fused with a sum, so that both give the same bits. clang knows
// one of the two attributes only.
#if defined(__x86_64__) && !defined(__clang__)
#define R1_VECTORIZED [[gnu::flatten, gnu::target_clones("avx2", "default")]]
#else
#define R1_VECTORIZED [[gnu::flatten]]
#endif
