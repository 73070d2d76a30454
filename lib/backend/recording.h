#pragma once

#include <functional>

namespace r1 {

// Calls that are made again and again with the same tensors, whose contents change: the steps of
// decoding. A device that records them saves the host the calls.
class Recording {
 public:
  virtual ~Recording();
  // Queues what `queue` would call now. It calls operations alone, the same ones with the same
  // tensors each time, and no copy between host and device; it may not be called at all.
  virtual void run(const std::function<void()>& queue) = 0;
};

}  // namespace r1
