#include "tools/bench/plot.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "lib/base/utf8.h"
#include "tools/bench/formats.h"

namespace r1 {
namespace {

constexpr double kPanel = 420, kLeft = 72, kRight = 700, kTop = 64, kBottom = 352;
constexpr double kLetter = 7, kLabel = 14;  // about the width and the height of text
constexpr std::size_t kMostNames = 16;      // of a legend
constexpr const char* kColors[] = {"#0072b2", "#d55e00", "#009e73",
                                   "#cc79a7", "#56b4e9", "#8c6d1f"};

const char* color(std::size_t i) { return kColors[i % std::size(kColors)]; }

// Text for XML, without characters that XML 1.0 has no place for.
std::string xml(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const Utf8Step step = next_utf8(text);
    text.remove_prefix(step.bytes);
    switch (step.code_point) {
      case U'<':
        out += "&lt;";
        break;
      case U'>':
        out += "&gt;";
        break;
      case U'&':
        out += "&amp;";
        break;
      case U'"':
        out += "&quot;";
        break;
      default:
        if (step.code_point < 0x20 || step.code_point == 0xFFFE || step.code_point == 0xFFFF)
          out += ' ';
        else
          append_utf8(out, step.code_point);
    }
  }
  return out;
}

// A number as an axis or a line wants it: "0.25", "8", "1000".
std::string tick(double value) { return fmt::format("{:.10g}", value); }

// Shapes in the coordinates of the picture; `offset` moves a panel down.
class Canvas {
 public:
  explicit Canvas(double offset) : offset_(offset) {}

  void line(double x0, double y0, double x1, double y1, std::string_view style) {
    svg_ += fmt::format("<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" {}/>\n", x0,
                        y0 + offset_, x1, y1 + offset_, style);
  }
  void dot(double x, double y, const char* fill, const std::string& title) {
    svg_ += fmt::format(
        "<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"5\" fill=\"{}\"><title>{}</title></circle>\n", x,
        y + offset_, fill, xml(title));
  }
  void text(double x, double y, const std::string& words, std::string_view style = "") {
    svg_ += fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" {}>{}</text>\n", x, y + offset_, style,
                        xml(words));
  }
  // The frame of a panel: heading, ticks and grid of both axes, and their names.
  void frame(const std::string& heading, const LogAxis& x, const LogAxis& y,
             const std::string& x_name, const std::string& y_name) {
    text(kLeft, 28, heading, "class=\"heading\"");
    text(kLeft, 48, y_name, "class=\"name\"");
    text(kRight, kBottom + 38, x_name, "class=\"name\" text-anchor=\"end\"");
    for (const double v : x.ticks()) {
      line(x.at(v), kTop, x.at(v), kBottom, "class=\"grid\"");
      text(x.at(v), kBottom + 18, tick(v), "text-anchor=\"middle\"");
    }
    for (const double v : y.ticks()) {
      line(kLeft, y.at(v), kRight, y.at(v), "class=\"grid\"");
      text(kLeft - 8, y.at(v) + 4, tick(v), "text-anchor=\"end\"");
    }
    line(kLeft, kBottom, kRight, kBottom, "class=\"axis\"");
  }
  void legend(std::size_t row, const char* fill, const std::string& words) {
    const double y = kTop + 8 + 18 * static_cast<double>(row);
    dot(kRight + 24, y - 4, fill, words);
    text(kRight + 36, y, words);
  }
  const std::string& svg() const { return svg_; }

 private:
  double offset_;
  std::string svg_;
};

struct Point {
  std::string name;
  double x = 0, y = 0;
};

// Operations a byte and GFLOP a second.
std::vector<Point> roofline_points(const std::vector<BenchRecord>& records) {
  std::vector<Point> points;
  for (const BenchRecord& r : records)
    if (r.tflop_per_s && r.gb_per_s && *r.tflop_per_s > 0 && *r.gb_per_s > 0) {
      const std::string model = shown_model(r);
      points.push_back({model.empty() ? r.id : r.id + " " + model,
                        *r.tflop_per_s * 1e3 / *r.gb_per_s, *r.tflop_per_s * 1e3});
    }
  return points;
}

// In letters, of what a legend shows.
template <typename Named>
double longest(const std::vector<Named>& all) {
  std::size_t most = 24;
  for (std::size_t i = 0; i < std::min(all.size(), kMostNames); ++i)
    most = std::max(most, characters(all[i].name));
  return static_cast<double>(most);
}

// The next power of `base` that is not above, or not below.
double floor_power(double value, double base) {
  return std::pow(base, std::floor(std::log(value) / std::log(base)));
}
double ceil_power(double value, double base) {
  return std::pow(base, std::ceil(std::log(value) / std::log(base)));
}

// Around what it holds, and at least one power long.
LogAxis axis(double low, double high, double base, double begin, double end) {
  const double first = floor_power(low, base);
  return {first, std::max(ceil_power(high, base), first * base), begin, end};
}

void draw_roofs(Canvas& c, const Limits& limits, const LogAxis& x, const LogAxis& y) {
  double highest = 0, label = x.end - 4, above = -kLabel;
  std::vector<std::pair<double, std::string>> roofs;
  for (const auto& [type, rate] : limits.products)
    roofs.emplace_back(rate, fmt::format("{} {}", type == DType::q8_0 ? "int8" : to_string(type),
                                         shown_number(rate)));
  std::sort(roofs.rbegin(), roofs.rend());
  for (const auto& [rate, name] : roofs) {  // from the highest down
    highest = std::max(highest, rate);
    const double knee =
        limits.read_all > 0 ? std::clamp(rate / limits.read_all, x.low, x.high) : x.low;
    c.line(x.at(knee), y.at(rate), x.end, y.at(rate), "class=\"roof\"");
    if (y.at(rate) - above >= kLabel) label = x.end - 4;  // else beside the one above
    c.text(label, y.at(rate) - 6, name, "class=\"label\" text-anchor=\"end\"");
    label -= kLetter * static_cast<double>(name.size() + 2);
    above = y.at(rate);
  }
  if (!(limits.read_all > 0)) return;
  const double knee = std::min(highest / limits.read_all, x.high);
  c.line(x.begin, y.at(limits.read_all * x.low), x.at(knee), y.at(limits.read_all * knee),
         "class=\"roof\"");
  c.text(x.begin + 8, y.at(limits.read_all * x.low) - 12,
         fmt::format("memory {} GB/s", shown_number(limits.read_all)), "class=\"label\"");
}

std::string roofline(const std::vector<Point>& points, const Limits& limits) {
  double x_low = 1, x_high = 256, y_high = 1, y_low = 1;
  for (const Point& p : points) {
    x_low = std::min(x_low, p.x);
    x_high = std::max(x_high, p.x);
    y_low = std::min(y_low, p.y);
    y_high = std::max(y_high, p.y);
  }
  for (const auto& [type, rate] : limits.products) y_high = std::max(y_high, rate);
  const LogAxis x = axis(x_low, x_high, 10, kLeft, kRight);
  if (limits.read_all > 0) y_low = std::min(y_low, limits.read_all * x.low);
  const LogAxis y = axis(y_low, y_high, 10, kBottom, kTop);
  Canvas c(0);
  c.frame("What the machine allows, and what was reached", x, y, "operations a byte", "GFLOP/s");
  draw_roofs(c, limits, x, y);
  for (std::size_t i = 0; i < points.size(); ++i) {
    c.dot(x.at(points[i].x), y.at(points[i].y), color(i), points[i].name);
    if (i < kMostNames) c.legend(i, color(i), points[i].name);
  }
  if (points.size() > kMostNames) c.text(kRight + 36, kTop + 8 + 18 * kMostNames, "…");
  return c.svg();
}

// Decoding by batch size, of each model and depth that has several.
struct Curve {
  std::string name;
  std::string model;  // with its folders: others may be shown alike
  std::vector<Point> points;
};
std::vector<Curve> curves_of(const std::vector<BenchRecord>& records) {
  std::vector<Curve> curves;
  for (const BenchRecord& r : records) {
    const auto rate = r.tokens_per_s();
    if (r.test.kind != "decode" || !rate || !r.test.batch_size) continue;
    const std::string name = fmt::format("{} tg{} behind {}", shown_model(r),
                                         r.test.max_tokens.value_or(0), r.test.depth.value_or(0));
    const std::string model = r.model ? r.model->name : std::string();
    auto found = std::find_if(curves.begin(), curves.end(),
                              [&](const Curve& c) { return c.name == name && c.model == model; });
    if (found == curves.end()) found = curves.insert(curves.end(), {name, model, {}});
    found->points.push_back({r.id, static_cast<double>(*r.test.batch_size), *rate});
  }
  for (Curve& c : curves)
    std::sort(c.points.begin(), c.points.end(),
              [](const Point& a, const Point& b) { return a.x < b.x; });
  std::erase_if(curves, [](const Curve& c) { return c.points.front().x == c.points.back().x; });
  return curves;
}

std::string batch_curves(const std::vector<Curve>& curves) {
  double x_low = 1e9, x_high = 1, y_low = 1e18, y_high = 0;
  for (const Curve& c : curves)
    for (const Point& p : c.points) {
      x_low = std::min(x_low, p.x);
      x_high = std::max(x_high, p.x);
      y_low = std::min(y_low, p.y);
      y_high = std::max(y_high, p.y);
    }
  const LogAxis x = axis(x_low, x_high, 2, kLeft, kRight);
  const LogAxis y = axis(y_low, y_high, 10, kBottom, kTop);
  Canvas c(kPanel);
  c.frame("Sequences at once", x, y, "batch size", "tokens/s, all together");
  for (std::size_t i = 0; i < curves.size(); ++i) {
    const std::vector<Point>& points = curves[i].points;
    for (std::size_t k = 0; k + 1 < points.size(); ++k)
      c.line(x.at(points[k].x), y.at(points[k].y), x.at(points[k + 1].x), y.at(points[k + 1].y),
             fmt::format("stroke=\"{}\" stroke-width=\"2\"", color(i)));
    for (const Point& p : points)
      c.dot(x.at(p.x), y.at(p.y), color(i), fmt::format("{}: {}", p.name, shown_number(p.y)));
    if (i < kMostNames) c.legend(i, color(i), curves[i].name);
  }
  return c.svg();
}

}  // namespace

double LogAxis::at(double value) const {
  const double share = std::log(value / low) / std::log(high / low);
  return begin + std::clamp(share, 0.0, 1.0) * (end - begin);
}

std::vector<double> LogAxis::ticks() const {
  const double base = high / low >= 100 ? 10 : 2;
  std::vector<double> values;
  for (double v = low; v <= high * 1.0001; v *= base) values.push_back(v);
  return values;
}

std::string plot_svg(const std::vector<BenchRecord>& records, const Limits& limits) {
  const std::vector<Point> points = roofline_points(records);
  const std::vector<Curve> curves = curves_of(records);
  const double width = kRight + 48 + kLetter * std::max(longest(points), longest(curves));
  const double height = curves.empty() ? kPanel : 2 * kPanel;
  std::string svg = fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
      "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{0}\" height=\"{1}\" "
      "viewBox=\"0 0 {0} {1}\">\n",
      width, height);
  svg +=
      "<style>text{font:12px sans-serif;fill:#333}.heading{font-size:16px;font-weight:bold}"
      ".name,.label{fill:#666}.grid{stroke:#e4e4e4}.axis{stroke:#333}"
      ".roof{stroke:#333;stroke-width:2}</style>\n";
  svg += "<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n";
  svg += roofline(points, limits);
  if (!curves.empty()) svg += batch_curves(curves);
  return svg + "</svg>\n";
}

}  // namespace r1
