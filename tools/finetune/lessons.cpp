#include "tools/finetune/lessons.h"

#include <algorithm>

#include <fmt/format.h>

#include "tools/common/signals.h"

namespace r1 {
namespace {

Dataset read(const std::vector<std::string>& names, const FinetuneSettings& s,
             const TextForms& forms) {
  if (names.empty()) return {};
  return read_dataset({names.begin(), names.end()}, forms,
                      {.max_length = s.max_seq_length,
                       .too_long = s.too_long == "cut" ? TooLong::cut : TooLong::drop,
                       .mask_prompt = !s.no_mask_prompt,
                       .pairs = s.dpo(),
                       .fim_rate = s.fim_rate,
                       .seed = static_cast<std::uint64_t>(s.seed),
                       .threads = static_cast<int>(s.threads),
                       .before_lines = [] { stop_when_interrupted(); }});
}

// "1 sample", "2 samples".
std::string counted(std::int64_t n, std::string_view what) {
  return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s");
}

// "5 too long"; empty: nothing.
std::string left_out_of(const Dataset& data) {
  std::vector<std::string> parts;
  if (data.too_long > 0) parts.push_back(fmt::format("{} too long", data.too_long));
  if (data.nothing_trained > 0)
    parts.push_back(fmt::format("{} with nothing to learn", data.nothing_trained));
  return fmt::format("{}", fmt::join(parts, ", "));
}

}  // namespace

Lessons::Lessons(const FinetuneSettings& s, const TextForms& forms)
    : data_(read(s.data, s, forms)),
      val_(s.val_share > 0 ? hold_out(data_, s.val_share, static_cast<std::uint64_t>(s.seed))
                           : read(s.val, s, forms)),
      packs_(data_.samples, s.max_seq_length, !s.no_packing, static_cast<std::uint64_t>(s.seed)),
      val_packs_(val_.samples, s.max_seq_length, !s.no_packing, 0) {}

std::vector<Pack> Lessons::some(std::int64_t count) const {
  const Packer& from = measured() > 0 ? val_packs_ : packs_;
  std::vector<Pack> some;
  for (std::int64_t n = 0; n < std::min(count, from.first_of_epoch(1)); ++n)
    some.push_back(from.pack(n));
  return some;
}

std::string Lessons::not_learnt() const { return left_out_of(data_); }
std::string Lessons::not_measured() const { return left_out_of(val_); }

std::string Lessons::described() const {
  const auto and_left_out = [](const std::string& out) { return out.empty() ? out : ", " + out; };
  std::string text = fmt::format("{} of {} tokens, {} of them learnt, in {}{}",
                                 counted(samples(), "sample"), data_.tokens, data_.trained,
                                 counted(epoch(), "sequence"), and_left_out(not_learnt()));
  if (measured() == 0) return text;
  text += fmt::format("; {} to measure", counted(measured(), "sample"));
  if (val_count() > val_measured())
    text += fmt::format(" by {} of {} sequences", val_measured(), val_count());
  return text + and_left_out(not_measured());
}

}  // namespace r1
