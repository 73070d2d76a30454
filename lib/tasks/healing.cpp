#include "lib/tasks/healing.h"

#include <algorithm>

namespace r1 {
namespace {

constexpr std::size_t kMostBack = 16;   // bytes
constexpr std::size_t kMostRead = 256;  // bytes of the last line that are tokenized again

enum class Sort { space, word, mark };
Sort sort_of(char c) {
  if (c == ' ' || c == '\t' || c == '\n' || c == '\r') return Sort::space;
  const auto byte = static_cast<unsigned char>(c);
  const bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
  const bool digit = byte >= '0' && byte <= '9';
  return letter || digit || c == '_' || byte >= 0x80 ? Sort::word : Sort::mark;
}

// Where each token of `line` begins, and its end; nothing when its tokens are not its bytes (a text
// that the tokenizer normalises). Before a first word the tokenizer may put a space: `spaced`.
struct Cut {
  std::vector<std::size_t> places;
  bool spaced = false;
};
Cut cut_of(const Tokenizer& tokenizer, const std::string& line, bool begins_text) {
  const std::vector<TokenId> ids =
      begins_text ? tokenizer.encode(line) : tokenizer.encode_continued(line);
  std::string bytes;
  Cut cut;
  for (const TokenId id : ids) {
    cut.places.push_back(bytes.size());
    bytes += tokenizer.bytes(id);
  }
  cut.places.push_back(bytes.size());
  cut.spaced = bytes == " " + line;
  if (bytes != line && !cut.spaced) cut.places.clear();
  return cut;
}

// The place in `line` up to which the text stays. In a word and among marks no boundary is sure, so
// it is where they begin; of white space, where it would begin a word that follows.
std::size_t place_to_go_back_to(const std::string& line, const std::vector<std::size_t>& places) {
  const std::size_t end = line.size() - 1;  // without the letter that was put behind
  const bool in_space = sort_of(line[end - 1]) == Sort::space;
  auto at = std::lower_bound(places.begin(), places.end(), in_space ? end + 1 : end);
  if (at == places.begin()) return end;
  --at;
  if (in_space) return *at;
  const auto is_sure = [&](std::size_t place) {
    const bool inside = sort_of(line[place]) == sort_of(line[place - 1]);
    const bool behind_a_space = line[place - 1] == ' ' && at[-1] + 1 == place;
    return !inside && !behind_a_space;
  };
  while (*at > 0 && !is_sure(*at) && end - at[-1] <= kMostBack) --at;
  return *at;
}

bool goes_beyond(std::string_view token, std::string_view owed) {
  return token.size() > owed.size() && token.starts_with(owed);
}

// Is there a token that goes on from the end of `owed`, begun at one of its own tokens?
bool can_differ(const Tokenizer& tokenizer, std::string_view owed) {
  for (const TokenId first : tokenizer.encode_continued(owed)) {
    for (TokenId id = 0; id < tokenizer.size(); ++id)
      if (goes_beyond(tokenizer.bytes(id), owed)) return true;
    owed.remove_prefix(std::min(tokenizer.bytes(first).size(), owed.size()));
  }
  return false;
}

}  // namespace

Healed heal(const Tokenizer& tokenizer, std::string_view text) {
  Healed unchanged{text.size(), ""};
  if (text.empty() || text.back() == '\n') return unchanged;
  std::size_t begin = text.rfind('\n') + 1;  // 0 when there is none
  if (text.size() - begin > kMostRead) begin = text.size() - kMostRead;
  const bool in_space = sort_of(text.back()) == Sort::space;
  // Behind white space a word tells where the tokenizer would cut; behind anything else it is
  // the end of the line itself.
  std::string line(text.substr(begin));
  Cut cut = cut_of(tokenizer, in_space ? line + 'x' : line, begin == 0);
  if (cut.places.empty()) return unchanged;
  line += 'x';
  if (cut.spaced) line.insert(line.begin(), ' ');
  const std::size_t place = place_to_go_back_to(line, cut.places);
  Healed healed{0, line.substr(place, line.size() - 1 - place)};
  if (healed.owed.empty() || healed.owed.size() > kMostBack) return unchanged;
  healed.kept = text.size() - std::min(text.size(), healed.owed.size());
  return can_differ(tokenizer, healed.owed) ? healed : unchanged;
}

std::vector<TokenId> ids_that_agree(const Tokenizer& tokenizer, std::string_view owed) {
  std::vector<TokenId> ids;
  for (TokenId id = 0; id < tokenizer.size(); ++id)
    if (goes_beyond(tokenizer.bytes(id), owed)) ids.push_back(id);
  const std::vector<TokenId> own = tokenizer.encode_continued(owed);
  if (!own.empty() && !tokenizer.bytes(own[0]).empty() && owed.starts_with(tokenizer.bytes(own[0])))
    ids.push_back(own[0]);
  if (!ids.empty()) return ids;
  for (TokenId id = 0; id < tokenizer.size(); ++id)  // the tokenizer writes it in other bytes
    if (!tokenizer.bytes(id).empty() && owed.starts_with(tokenizer.bytes(id))) ids.push_back(id);
  return ids;
}

}  // namespace r1
