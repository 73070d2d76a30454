#pragma once

#include <deque>
#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include "tests/support/backends.h"
#include "tests/support/close.h"

namespace r1::test {

// One operation on one backend: makes its inputs, runs, and returns what it wrote.
using Op = std::function<std::vector<std::vector<float>>(Rig&)>;

// Holds every backend of this machine to `ref`.
class KernelTest : public testing::Test {
 protected:
  KernelTest() {
    for (const Candidate& candidate : backends()) rigs_.emplace_back(candidate);
  }

  std::vector<std::vector<float>> on_ref(const Op& op) { return op(ref_); }

  // Every output of `op` is within its tolerances of what `ref` says, on all backends or some.
  void expect_agreement(
      const Op& op, const std::vector<std::vector<double>>& tolerances,
      const std::function<bool(const Rig&)>& on = [](const Rig&) { return true; }) {
    const auto want = on_ref(op);
    ASSERT_EQ(want.size(), tolerances.size());
    for (Rig& rig : rigs_) {
      if (!on(rig)) continue;
      const auto got = op(rig);
      for (std::size_t i = 0; i < want.size(); ++i)
        EXPECT_TRUE(close(got[i], want[i], tolerances[i])) << rig.name() << ", output " << i;
    }
  }

 private:
  Rig ref_{{"ref"}};
  std::deque<Rig> rigs_;
};

}  // namespace r1::test
