#include "lib/nn/graph.h"

#include <gtest/gtest.h>

#include "lib/backend/open_backend.h"
#include "lib/base/error.h"

namespace r1 {
namespace {

// What `call` fails with, as text; empty when it does not.
template <typename Call>
std::string complaint(const Call& call) {
  try {
    call();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::model);
    return e.what();
  }
  return "";
}

TEST(Graph, ShapesThatDoNotFitAreRefusedWithBothShapes) {
  const auto backend = open_backend("ref");
  Arena arena(*backend);
  Graph g(*backend, arena);
  const Var x = g.make({2, 3}), w = g.make({4, 5});
  EXPECT_EQ(complaint([&] { g.linear(x, w); }), "linear: [2, 3] and [4, 5] do not fit");
}

}  // namespace
}  // namespace r1
