// The shim under "cuda-host" does what a card does, and finds what a card would hide.
#include <cmath>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/cuda_host/cuda_runtime.h"

namespace r1 {
namespace {

template <typename... Wanted, typename... Given>
cudaError_t launch(dim3 blocks, dim3 threads, std::size_t shared_bytes, void (*kernel)(Wanted...),
                   Given... arguments) {
  cudaLaunchConfig_t config;
  config.gridDim = blocks;
  config.blockDim = threads;
  config.dynamicSmemBytes = shared_bytes;
  return cudaLaunchKernelEx(&config, kernel, arguments...);
}

__global__ void number_kernel(int* seen) {
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  ++seen[block * blockDim.x * blockDim.y * blockDim.z + thread];
}

TEST(CudaHost, EveryThreadOfEveryBlockRunsOnce) {
  std::vector<int> seen(2 * 3 * 4 * 5 * 2 * 7, 0);
  ASSERT_EQ(launch({2, 3, 4}, {5, 2, 7}, 0, number_kernel, seen.data()), cudaSuccess);
  EXPECT_EQ(seen, std::vector<int>(seen.size(), 1));
}

__global__ void reverse_kernel(int* y, bool wait) {
  __shared__ int row[256];
  row[threadIdx.x] = static_cast<int>(threadIdx.x) + y[threadIdx.x];
  if (wait) __syncthreads();
  y[threadIdx.x] = row[blockDim.x - 1 - threadIdx.x];
}

TEST(CudaHost, ABarrierHoldsUntilAllHaveCome) {
  std::vector<int> y(256, 1000), want(256);
  std::iota(want.rbegin(), want.rend(), 1000);
  ASSERT_EQ(launch(1, 256, 0, reverse_kernel, y.data(), true), cudaSuccess);
  EXPECT_EQ(y, want);
}

TEST(CudaHost, AMissingBarrierGivesAWrongResult) {
  std::vector<int> y(256, 2000), want(256);
  std::iota(want.rbegin(), want.rend(), 2000);
  ASSERT_EQ(launch(1, 256, 0, reverse_kernel, y.data(), false), cudaSuccess);
  EXPECT_NE(y, want);
}

__global__ void collective_kernel(int* y) {
  const int i = static_cast<int>(threadIdx.x);
  int sum = i;
  for (int bits = 16; bits > 0; bits /= 2) sum += __shfl_xor_sync(~0u, sum, bits);
  const int third = __shfl_sync(~0u, i, 3);
  const int any = __any_sync(~0u, i == 40);
  const int in_block = __syncthreads_or(i == 70), never = __syncthreads_or(i == 96);
  y[i] = sum * 10000 + third * 100 + any * 4 + (in_block != 0 ? 2 : 0) + (never != 0 ? 1 : 0);
}

TEST(CudaHost, LanesExchangeValuesAndVotes) {
  std::vector<int> y(96);
  ASSERT_EQ(launch(1, 96, 0, collective_kernel, y.data()), cudaSuccess);
  for (int i = 0; i < 96; ++i) {
    const int warp = i / 32;
    const int sum = 32 * 32 * warp + 31 * 16;
    EXPECT_EQ(y[static_cast<std::size_t>(i)],
              sum * 10000 + (32 * warp + 3) * 100 + (warp == 1 ? 4 : 0) + 2)
        << i;
  }
}

__global__ void shared_kernel(int* nan) {
  const float* memory = static_cast<const float*>(cuda_host::dynamic_shared());
  nan[threadIdx.x] = std::isnan(memory[threadIdx.x]);
}

TEST(CudaHost, DynamicSharedMemoryBeginsAsNan) {
  std::vector<int> nan(32);
  ASSERT_EQ(launch(1, 32, 32 * sizeof(float), shared_kernel, nan.data()), cudaSuccess);
  EXPECT_EQ(nan, std::vector<int>(32, 1));
}

__global__ void some_wait_kernel() {
  if (threadIdx.x < 32) __syncwarp();
  if (threadIdx.x >= 32) __syncwarp(0xffff);
}
__global__ void two_barriers_kernel() {
  if (threadIdx.x < 32)
    __syncthreads();
  else
    __syncthreads();
}
__global__ void lost_lane_kernel() {
  if (threadIdx.x != 5) __syncwarp();
}

TEST(CudaHostDeathTest, WaitingForTheWrongOnesEndsTheProcess) {
  EXPECT_DEATH(launch(1, 64, 0, some_wait_kernel), "outside the mask");
  EXPECT_DEATH(launch(1, 64, 0, two_barriers_kernel), "different barriers");
  EXPECT_DEATH(launch(1, 32, 0, lost_lane_kernel), "never come");
}

TEST(CudaHost, WhatACardWouldNotLaunchIsAnError) {
  std::vector<int> seen(1);
  EXPECT_NE(launch(0, 32, 0, number_kernel, seen.data()), cudaSuccess);
  EXPECT_NE(launch({1, 65536}, 32, 0, number_kernel, seen.data()), cudaSuccess);
  EXPECT_NE(launch(1, 1025, 0, number_kernel, seen.data()), cudaSuccess);
  EXPECT_NE(launch(1, 32, 228 * 1024, number_kernel, seen.data()), cudaSuccess);
}

TEST(CudaHost, FourBytesAreMultipliedAsSignedNumbers) {
  EXPECT_EQ(__dp4a(0x01ff7f80, 0x02030405, 7), 7 + 1 * 2 + -1 * 3 + 127 * 4 + -128 * 5);
}

TEST(CudaHost, FourBytesAreTakenFromEight) {
  EXPECT_EQ(__byte_perm(0x33221100, 0x77665544, 0x5306), 0x55330066u);
}

}  // namespace
}  // namespace r1
