#include "lib/text/bounded_regex.h"

#include <cstdint>
#include <utility>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

namespace r1 {
namespace {

constexpr std::size_t kLongestPattern = 65'536;
constexpr std::uint32_t kMatchLimit = 100'000, kHeapKib = 65'536;
constexpr std::uint32_t kUnicode =
    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C;

struct Release {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
  void operator()(pcre2_jit_stack* stack) const { pcre2_jit_stack_free(stack); }
};
using MatchData = std::unique_ptr<pcre2_match_data, Release>;

// Each thread's own; what PCRE2 has without one is gone after some thousand repetitions.
pcre2_jit_stack* jit_stack(void*) {
  constexpr std::size_t kLeast = 32 * 1024, kMost = 16 << 20;
  thread_local const std::unique_ptr<pcre2_jit_stack, Release> stack(
      pcre2_jit_stack_create(kLeast, kMost, nullptr));
  return stack.get();
}

PCRE2_SPTR units(std::string_view text) { return reinterpret_cast<PCRE2_SPTR>(text.data()); }

}  // namespace

struct BoundedRegex::Compiled {
  pcre2_code* code = nullptr;
  pcre2_match_context* context = nullptr;
  Compiled() = default;
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  ~Compiled() {
    pcre2_match_context_free(context);
    pcre2_code_free(code);
  }

  MatchData match_data() const {
    return MatchData(pcre2_match_data_create_from_pattern(code, nullptr));
  }
  // Is there a match from `from` on? It stands in `data` then.
  bool find(std::string_view text, std::size_t from, std::uint32_t options, const MatchData& data,
            const Errors& errors) const {
    const int found = pcre2_match(code, units(text), text.size(), from,
                                  PCRE2_NO_UTF_CHECK | options, data.get(), context);
    if (found < 0 && found != PCRE2_ERROR_NOMATCH)
      fail(errors.bounds, "{} takes too many steps", errors.name);
    return found >= 0;
  }
};

BoundedRegex::BoundedRegex(std::string_view pattern, Text text, Errors errors)
    : errors_(std::move(errors)) {
  if (pattern.size() > kLongestPattern)
    fail(errors_.bounds, "{} has {} bytes", errors_.name, pattern.size());
  int error = 0;
  PCRE2_SIZE where = 0;
  const auto compiled = std::make_shared<Compiled>();
  compiled->code = pcre2_compile(units(pattern), pattern.size(),
                                 text == Text::unicode ? kUnicode : std::uint32_t{PCRE2_NEVER_UTF},
                                 &error, &where, nullptr);
  if (compiled->code == nullptr) {
    unsigned char message[200];
    pcre2_get_error_message(error, message, sizeof message);
    fail(errors_.wrong, "{} is wrong at byte {}: {}", errors_.name, where,
         escaped(reinterpret_cast<const char*>(message)));
  }
  pcre2_jit_compile(compiled->code, PCRE2_JIT_COMPLETE);  // without it matching is only slower
  compiled->context = pcre2_match_context_create(nullptr);
  pcre2_set_match_limit(compiled->context, kMatchLimit);
  pcre2_set_depth_limit(compiled->context, kMatchLimit);
  pcre2_set_heap_limit(compiled->context, kHeapKib);
  pcre2_jit_stack_assign(compiled->context, jit_stack, nullptr);
  compiled_ = compiled;
}

std::vector<BoundedRegex::Match> BoundedRegex::matches(std::string_view text) const {
  const MatchData data = compiled_->match_data();
  std::vector<Match> out;
  for (std::size_t from = 0;
       from < text.size() && compiled_->find(text, from, PCRE2_NOTEMPTY, data, errors_);
       from = out.back().end) {
    const PCRE2_SIZE* pair = pcre2_get_ovector_pointer(data.get());
    out.push_back({pair[0], pair[1]});
  }
  return out;
}

bool BoundedRegex::fits(std::string_view text) const {
  return compiled_->find(text, 0, 0, compiled_->match_data(), errors_);
}

}  // namespace r1
