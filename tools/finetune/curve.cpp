#include "tools/finetune/curve.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

namespace r1 {
namespace {

constexpr double kWidth = 720, kHeight = 420, kLeft = 72, kRight = 696, kTop = 56, kBottom = 364;
constexpr double kMostSteps = 8;          // of an axis
constexpr std::size_t kMostPoints = 600;  // of a line: about a pixel each
constexpr std::size_t kFewPoints = 40;    // are dots too

constexpr const char* kBegin =
    "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
    "viewBox=\"0 0 {0} {1}\">\n";
constexpr const char* kStyle =
    "<style>\n"
    "text{font:12px sans-serif;fill:#333}.heading{font-size:16px;font-weight:bold}"
    ".name{fill:#666}.paper{fill:#fff}.grid{stroke:#e4e4e4}.axis{stroke:#333}\n"
    ".training{stroke:#0072b2;fill:#0072b2}.validation{stroke:#d55e00;fill:#d55e00}"
    "polyline{stroke-width:2;stroke-linejoin:round}polyline.training,polyline.validation"
    "{fill:none}\n"
    "@media(prefers-color-scheme:dark){text{fill:#ddd}.name{fill:#aaa}.paper{fill:#1b1b1b}"
    ".grid{stroke:#3a3a3a}.axis{stroke:#ddd}.training{stroke:#56b4e9;fill:#56b4e9}"
    ".validation{stroke:#e69f00;fill:#e69f00}}\n"
    "</style>\n"
    "<rect class=\"paper\" width=\"100%\" height=\"100%\"/>\n";

struct Point {
  double step = 0, loss = 0;
};
using Line = std::vector<Point>;

Line line_of(const std::vector<TrainRecord>& records, std::optional<double> TrainRecord::*loss) {
  Line line;
  for (const TrainRecord& r : records)
    if (const std::optional<double> y = r.*loss; y && std::isfinite(*y))
      line.push_back({static_cast<double>(r.step), *y});
  return line;
}

// Neighbours become their mean where there are more of them than pixels.
Line thinned(const Line& line) {
  const std::size_t each = (line.size() + kMostPoints - 1) / kMostPoints;
  Line means;
  for (std::size_t i = 0; i < line.size(); i += each) {
    const std::size_t n = std::min(each, line.size() - i);
    Point mean;
    for (std::size_t k = i; k < i + n; ++k) {
      mean.step += line[k].step / static_cast<double>(n);
      mean.loss += line[k].loss / static_cast<double>(n);
    }
    means.push_back(mean);
  }
  return means;
}

std::string tick(double value) { return fmt::format("{:.10g}", value); }

std::string stroke(double x0, double y0, double x1, double y1, const char* name) {
  return fmt::format(
      "<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>\n", name, x0,
      y0, x1, y1);
}

std::string words(double x, double y, const std::string& text, const char* style = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\"{}>{}</text>\n", x, y, style, text);
}

std::string frame(const RoundAxis& x, const RoundAxis& y, const char* unit) {
  std::string svg = words(kLeft, 24, "Loss", " class=\"heading\"");
  svg += words(kLeft, 43, fmt::format("nats a {}", unit), " class=\"name\"");
  for (const double v : y.ticks()) {
    svg += stroke(kLeft, y.at(v), kRight, y.at(v), "grid");
    svg += words(kLeft - 8, y.at(v) + 4, tick(v), " text-anchor=\"end\"");
  }
  for (const double v : x.ticks()) {
    svg += stroke(x.at(v), kBottom, x.at(v), kBottom + 5, "axis");
    svg += words(x.at(v), kBottom + 20, tick(v), " text-anchor=\"middle\"");
  }
  svg += stroke(kLeft, kBottom, kRight, kBottom, "axis");
  return svg + words(kRight, kBottom + 40, "step", " class=\"name\" text-anchor=\"end\"");
}

// Drawn with its name at the top, which ends at `right`.
std::string curve(const Line& line, const RoundAxis& x, const RoundAxis& y, const char* name,
                  double right) {
  if (line.empty()) return {};
  std::string svg = fmt::format("<polyline class=\"{}\" points=\"", name);
  for (const Point& p : line)
    svg += fmt::format("{}{:.1f},{:.1f}", svg.back() == '"' ? "" : " ", x.at(p.step), y.at(p.loss));
  svg += "\"/>\n";
  if (line.size() <= kFewPoints)
    for (const Point& p : line)
      svg += fmt::format(
          "<circle class=\"{}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\">"
          "<title>step {:.0f}: {:.4g}</title></circle>\n",
          name, x.at(p.step), y.at(p.loss), p.step, p.loss);
  svg += fmt::format("<circle class=\"{}\" cx=\"{:.1f}\" cy=\"39\" r=\"4\"/>\n", name, right - 64);
  return svg + words(right - 54, 43, name);
}

// Of all points; 0 to 1 where there are none.
RoundAxis loss_axis(const Line& a, const Line& b) {
  Line all = a;
  all.insert(all.end(), b.begin(), b.end());
  if (all.empty()) return round_axis(0, 1, 0, kBottom, kTop);
  const auto less = [](const Point& p, const Point& q) { return p.loss < q.loss; };
  const auto [low, high] = std::minmax_element(all.begin(), all.end(), less);
  return round_axis(low->loss, high->loss, 0, kBottom, kTop);
}

}  // namespace

double RoundAxis::at(double value) const {
  return begin + (value - low) / (high - low) * (end - begin);
}

std::vector<double> RoundAxis::ticks() const {
  std::vector<double> values;
  const double first = std::round(low / step);
  const auto count = static_cast<int>(std::round((high - low) / step));
  for (int n = 0; n <= count; ++n) values.push_back((first + n) * step);
  return values;
}

RoundAxis round_axis(double low, double high, double least, double begin, double end) {
  const double size = std::max(std::abs(low), std::abs(high));
  if (!(high - low > 1e-9 * size)) high = low + std::max(size * 1e-3, 1e-9);  // all the same
  double power = std::pow(10, std::floor(std::log10((high - low) / kMostSteps)));
  for (;; power *= 10)
    for (const double factor : {1, 2, 5}) {
      const double step = power * factor;
      const double first = std::floor(low / step), last = std::ceil(high / step);
      if (step >= least && last - first <= kMostSteps)
        return {first * step, last * step, step, begin, end};
    }
}

std::string loss_svg(const std::vector<TrainRecord>& records, const char* unit) {
  const Line training = thinned(line_of(records, &TrainRecord::loss));
  const Line validation = thinned(line_of(records, &TrainRecord::val_loss));
  const double last = records.empty() ? 1 : static_cast<double>(records.back().step);
  const RoundAxis x = round_axis(0, last, 1, kLeft, kRight), y = loss_axis(training, validation);
  return fmt::format(kBegin, kWidth, kHeight) + kStyle + frame(x, y, unit) +
         curve(training, x, y, "training", validation.empty() ? kRight : kRight - 84) +
         curve(validation, x, y, "validation", kRight) + "</svg>\n";
}

}  // namespace r1
