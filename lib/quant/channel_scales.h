#pragma once

#include <functional>

#include "lib/base/parallel.h"
#include "lib/quant/imatrix.h"
#include "lib/quant/plan.h"

namespace r1 {

// Between a norm and the matrices that read it every channel has a scale to choose: its weight in
// the norm is divided by it and its columns are multiplied, which leaves the model as it is, and
// what carries much is rounded in finer steps. Scales are the mean square of the channel to a power
// from 0 to 1/2, the one of least error for each norm (AWQ, Lin et al. 2023, with the importance
// matrix in place of mean magnitudes). They become part of the plan. `search`: as QuantizeOptions.
// Norms of which a matrix is kept, or in blocks that stay as they are, are left alone. Returns how
// many norms are not.
int scale_channels(QuantizePlan& plan, const Imatrix& imatrix, bool search, ThreadPool& pool,
                   const std::function<void()>& step_done);

}  // namespace r1
