#include "lib/train/text_lines.h"

#include "lib/base/bytes.h"
#include "lib/base/error.h"
#include "lib/base/json.h"
#include "lib/base/lines.h"
#include "lib/text/train_sentencepiece.h"
#include "lib/train/data_file.h"
#include "lib/train/dataset.h"

namespace r1 {
namespace {

// Where a line that is too long is cut: before a space, or else between two characters.
std::size_t end_of_piece(std::string_view line) {
  const std::size_t space = line.rfind(' ', kLongestLine);
  if (space != std::string_view::npos && space > 0) return space;
  std::size_t end = kLongestLine;
  while ((static_cast<unsigned char>(line[end]) & 0xC0) == 0x80) --end;
  return end;
}

// Each text in lines of samples; `name` is what errors call them.
template <typename Body>
void for_each_text(std::string_view lines, const std::string& name, const Body& body,
                   const std::function<void()>& before_line = {}) {
  for_each_line(without_mark(lines), [&](std::string_view line, int number) {
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
    if (before_line) before_line();
    naming(fmt::format("{}:{}", name, number), [&] {
      for (const std::string& text : texts_of(parse_json(line, "the line"))) body(text);
    });
  });
}

class Collector {
 public:
  explicit Collector(std::size_t most) : most_(most) {}

  void add_text(std::string_view text) {
    for_each_line(text, [this](std::string_view line, int) {
      while (line.size() > kLongestLine) {
        const std::size_t end = end_of_piece(line);
        add(line.substr(0, end));
        line.remove_prefix(end);
      }
      add(line);
    });
  }
  std::vector<std::string> lines() && { return std::move(lines_); }

 private:
  void add(std::string_view line) {
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
    if (number_++ % step_ == 0) lines_.emplace_back(line);
    if (lines_.size() > most_) thin_out();
  }

  void thin_out() {
    step_ *= 2;
    for (std::size_t i = 0; 2 * i < lines_.size(); ++i) lines_[i].swap(lines_[2 * i]);
    lines_.resize((lines_.size() + 1) / 2);
  }

  std::vector<std::string> lines_;
  std::size_t most_, step_ = 1, number_ = 0;
};

}  // namespace

std::vector<std::string> text_lines(const std::vector<std::filesystem::path>& files,
                                    std::size_t most, const std::function<void()>& before_line) {
  Collector collector(most);
  for (const std::filesystem::path& path : files) {
    const MappedFile file = open_data(path);
    if (!holds_samples(path)) {
      naming(escaped(path.string()), [&] { need_text(as_text(file.bytes())); });
      collector.add_text(as_text(file.bytes()));
      continue;
    }
    for_each_text(
        as_text(file.bytes()), escaped(path.string()),
        [&](const std::string& text) { collector.add_text(text); }, before_line);
  }
  return std::move(collector).lines();
}

std::string text_of_file(std::string bytes, const std::filesystem::path& path) {
  if (!holds_samples(path)) return bytes;
  std::string all;
  for_each_text(bytes, escaped(path.string()),
                [&](const std::string& text) { all += text + "\n"; });
  return all;
}

}  // namespace r1
