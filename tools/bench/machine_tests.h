#pragma once

#include <vector>

#include "tools/bench/measure.h"

namespace r1 {

struct MachineTest {
  std::string id;
  std::function<Runnable()> prepare;  // fails when it cannot be run here
};
// Memory, products and disk; of a card also its link to the host. `probes` and the backend outlive
// the tests.
std::vector<MachineTest> machine_tests(Backend& backend, Probes& probes);

}  // namespace r1
