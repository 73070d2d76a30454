#include "tools/bench/plot.h"

#include <gtest/gtest.h>

namespace r1 {
namespace {

BenchRecord decoded(const std::string& model, std::int64_t batch, double ns) {
  BenchRecord r;
  r.id = "tg4";
  r.model = MeasuredModel{model, "", "q8_0", 0, 0};
  r.test.kind = "decode";
  r.test.max_tokens = 4;
  r.test.batch_size = batch;
  r.tokens = static_cast<double>(4 * batch);
  r.samples_ns = {ns};
  return r;
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t found = 0;
  for (std::size_t at = 0; (at = text.find(part, at)) != std::string::npos; ++at) ++found;
  return found;
}

TEST(Plot, OneBatchSizeIsNoCurve) {
  const std::string svg = plot_svg({decoded("m", 1, 1e6), decoded("m", 1, 2e6)}, {});
  EXPECT_EQ(count(svg, "Sequences at once"), 0u);
}

TEST(Plot, OneSpeedStandsInItsFrame) {
  const std::string svg = plot_svg({decoded("m", 1, 4e7), decoded("m", 2, 8e7)}, {});  // 100 tok/s
  EXPECT_EQ(count(svg, "Sequences at once"), 1u);
  EXPECT_EQ(count(svg, "nan"), 0u) << svg;
}

TEST(Plot, ModelsThatAreShownAlikeHaveCurvesOfTheirOwn) {
  const std::string svg = plot_svg({decoded("a/m", 1, 1e6), decoded("b/m", 1, 1e6),
                                    decoded("a/m", 2, 1e6), decoded("b/m", 2, 1e6)},
                                   {});
  EXPECT_EQ(count(svg, "stroke-width=\"2\""), 2u);
}

}  // namespace
}  // namespace r1
