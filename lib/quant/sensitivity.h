#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "lib/base/parallel.h"
#include "lib/quant/calibrate.h"

namespace r1 {

// The type that a matrix is tried in: q4_0, iq4_nl where it is q4_0 already, or f32, which loses
// nothing, where its rows are no whole blocks.
DType probe_type(const PlannedTensor& tensor);
// Is it a free matrix that can be tried?
bool is_measured(const PlannedTensor& tensor);

// KL divergence, in nats a token over the first `tokens` of the calibration text, of the model with
// this matrix alone rounded to nearest in its probe type; of each matrix of the plan that is free,
// by name.
std::map<std::string, double> measure_sensitivity(const QuantizePlan& plan,
                                                  const Calibration& calibration,
                                                  std::int64_t tokens, ThreadPool& pool);

}  // namespace r1
