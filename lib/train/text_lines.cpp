#include "lib/train/text_lines.h"

#include <algorithm>
#include <set>

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/lines.h"
#include "lib/train/data_file.h"

namespace r1 {
namespace {

class Collector {
 public:
  void add_text(std::string_view text) {
    for_each_line(text, [this](std::string_view line, int) {
      if (line.find_first_not_of(" \t\r") != std::string_view::npos) lines_.emplace(line);
    });
  }

  // Every string of a sample, but for those that name something.
  void add_sample(const Json& value) {
    if (value.is_string()) {
      add_text(value.string(""));
    } else if (value.is_array()) {
      for (const Json& element : value.array("")) add_sample(element);
    } else if (value.is_object()) {
      for (const auto& [key, member] : value.object(""))
        if (key != "role") add_sample(member);
    }
  }

  std::vector<std::string> every_nth(std::size_t most) const {
    const std::size_t step = std::max<std::size_t>(1, (lines_.size() + most - 1) / most);
    std::vector<std::string> some;
    std::size_t number = 0;
    for (const std::string& line : lines_)
      if (number++ % step == 0) some.push_back(line);
    return some;
  }

 private:
  std::set<std::string> lines_;
};

}  // namespace

std::vector<std::string> text_lines(const std::vector<std::filesystem::path>& files,
                                    std::size_t most, const std::function<void()>& before_line) {
  Collector collector;
  for (const std::filesystem::path& path : files) {
    const MappedFile file = open_data(path);
    if (!holds_samples(path)) {
      naming(escaped(path.string()), [&] { need_text(as_text(file.bytes())); });
      collector.add_text(as_text(file.bytes()));
      continue;
    }
    for_each_line(as_text(file.bytes()), [&](std::string_view line, int number) {
      if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
      if (before_line) before_line();
      naming(fmt::format("{}:{}", escaped(path.string()), number),
             [&] { collector.add_sample(parse_json(line, "the line")); });
    });
  }
  return collector.every_nth(most);
}

}  // namespace r1
