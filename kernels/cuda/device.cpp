// The device: its stream, its memory, and copies to and from it.
#include <algorithm>
#include <cstring>

#include "kernels/cuda/blas.h"
#include "kernels/cuda/check.h"
#include "kernels/cuda/cuda_backend.h"
#include "kernels/cuda/staging.h"
#include "lib/base/error.h"

namespace r1 {

using cuda::check;

namespace cuda {

Staging::Staging() {
  void* memory = nullptr;
  check(cudaMallocHost(&memory, 2 * kHalfBytes), "pinned memory");
  memory_ = static_cast<std::byte*>(memory);
  for (cudaEvent_t& event : done_)
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming), "an event");
}

Staging::~Staging() {
  for (const cudaEvent_t event : done_) cudaEventDestroy(event);
  cudaFreeHost(memory_);
}

void Staging::copy(void* to, const void* from, std::size_t bytes, cudaStream_t stream) {
  constexpr std::size_t kPiece = kHalfBytes / 2;
  for (std::size_t done = 0; done < bytes; done += kPiece)
    copy_piece(static_cast<std::byte*>(to) + done, static_cast<const std::byte*>(from) + done,
               std::min(kPiece, bytes - done), stream);
}

void Staging::copy_piece(void* to, const void* from, std::size_t bytes, cudaStream_t stream) {
  if (used_ + bytes > kHalfBytes) {
    check(cudaEventRecord(done_[half_], stream), "an event");
    half_ = 1 - half_;
    used_ = 0;
    check(cudaEventSynchronize(done_[half_]), "copies to the device");
  }
  std::byte* at = memory_ + static_cast<std::size_t>(half_) * kHalfBytes + used_;
  std::memcpy(at, from, bytes);
  check(cudaMemcpyAsync(to, at, bytes, cudaMemcpyHostToDevice, stream), "copy to the device");
  used_ += (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace cuda

CudaBackend::CudaBackend(const BackendOptions& options)
    : batch_invariant_(options.batch_invariant) {
  int devices = 0;
  const cudaError_t answer = cudaGetDeviceCount(&devices);
  if (answer == cudaErrorNoDevice || (answer == cudaSuccess && devices == 0))
    fail(ErrorKind::device, "there is an NVIDIA driver, and no card that it can use");
  if (answer == cudaErrorInsufficientDriver)
    fail(ErrorKind::device, "the NVIDIA driver is older than this build wants (CUDA 13)");
  check(answer, "count the cards");
  check(cudaSetDevice(kDevice), "choose the card");
  cudaDeviceProp card{};
  check(cudaGetDeviceProperties(&card, kDevice), "read what the card is");
  processors_ = card.multiProcessorCount;
  name_ = fmt::format("cuda ({}, sm_{}{}), memory: {} MiB", card.name, card.major, card.minor,
                      card.totalGlobalMem >> 20);
  check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "a stream");
  staging_ = std::make_unique<cuda::Staging>();
}

CudaBackend::~CudaBackend() {
  cudaStreamSynchronize(stream_);
  blas_.reset();
  cudaFree(scratch_);
  staging_.reset();
  cudaStreamDestroy(stream_);
}

std::string CudaBackend::describe() const { return name_; }

void* CudaBackend::allocate(std::size_t bytes) {
  if (recording_) fail(ErrorKind::internal, "cuda: memory is wanted while a step is recorded");
  void* memory = nullptr;  // aligned to 256
  const cudaError_t status = cudaMalloc(&memory, bytes == 0 ? 1 : bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();  // taken note of: what fits may still be done
    cuda::fail_out_of_memory(bytes);
  }
  check(status, "allocate");
  sizes_.emplace(memory, bytes);
  used_bytes_ += bytes;
  peak_bytes_ = std::max(peak_bytes_, used_bytes_);
  return memory;
}

// Work that uses the memory may still be queued: cudaFree waits for it.
void CudaBackend::release(void* memory) {
  cudaFree(memory);
  if (const auto size = sizes_.find(memory); size != sizes_.end()) {
    used_bytes_ -= size->second;
    sizes_.erase(size);
  }
}

DeviceMemory CudaBackend::memory() const {
  std::size_t free = 0, total = 0;
  check(cudaMemGetInfo(&free, &total), "ask for free memory");
  return {total, free, used_bytes_, peak_bytes_};
}

void* CudaBackend::scratch(std::size_t bytes) {
  if (bytes > scratch_bytes_) {
    void* more = allocate(bytes);
    release(scratch_);
    scratch_ = more;
    scratch_bytes_ = bytes;
  }
  return scratch_;
}

cuda::Blas* CudaBackend::blas() {
  if (!blas_) blas_ = cuda::Blas::open();
  return blas_->get();
}

void CudaBackend::copy_from_host(const Tensor& dst, const void* src) {
  if (recording_) fail(ErrorKind::internal, "cuda: a copy is wanted while a step is recorded");
  staging_->copy(dst.data, src, dst.bytes(), stream_);
}

void CudaBackend::copy_to_host(void* dst, const Tensor& src) {
  check(cudaMemcpyAsync(dst, src.data, src.bytes(), cudaMemcpyDeviceToHost, stream_),
        "copy to the host");
  synchronize();
}

void CudaBackend::copy(const Tensor& dst, const Tensor& src) {
  check(cudaMemcpyAsync(dst.data, src.data, src.bytes(), cudaMemcpyDeviceToDevice, stream_),
        "copy on the device");
}

void CudaBackend::zero(const Tensor& t) {
  check(cudaMemsetAsync(t.data, 0, t.bytes(), stream_), "zero");
}

void CudaBackend::synchronize() { check(cudaStreamSynchronize(stream_), "wait"); }

}  // namespace r1
