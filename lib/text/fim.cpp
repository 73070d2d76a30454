#include "lib/text/fim.h"

#include <algorithm>
#include <iterator>

#include "lib/base/error.h"

namespace r1 {
namespace {

using Order = FimForm::Order;

// The markers of a family and their order. Sources: the model cards of each; for both orders of
// Code Llama its paper, arXiv 2308.12950.
struct Family {
  std::string_view name, prefix, suffix, middle;  // middle empty: the prefix ends the prompt
  std::string_view end;                           // of a middle; empty, or not there: EOS
  Order order;
  bool has_both_orders;
  std::string_view wants, wants_not;  // a token that must, or must not, be there too
};
constexpr Family kFamilies[] = {
    // The Qwen distills of R1 have Qwen's markers, and nothing shows that they still work.
    {"qwen2.5-coder", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|endoftext|>",
     Order::prefix_first, false, "<|fim_pad|>", "<｜User｜>"},
    // r1 is trained on prefix_first too; where the prefix comes last it reads on as in plain text,
    // and a small model does that far better (models/r1-plus-mini.md).
    {"r1", "<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "", Order::prefix_last, true, "",
     "<|fim_pad|>"},
    {"deepseek-coder", "<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>",
     "<｜end▁of▁sentence｜>", Order::prefix_first, false, "", ""},
    {"mellum", "<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<|endoftext|>", Order::suffix_first,
     false, "<filename>", "<gh_stars>"},
    {"starcoder", "<fim_prefix>", "<fim_suffix>", "<fim_middle>", "<|endoftext|>",
     Order::prefix_first, false, "", ""},
    {"codellama", "▁<PRE>", "▁<SUF>", "▁<MID>", "▁<EOT>", Order::prefix_first, true, "", ""},
    {"codestral", "[PREFIX]", "[SUFFIX]", "", "", Order::suffix_first, false, "", ""},
};

// Every token that ends an answer in some family.
constexpr std::string_view kStops[] = {"<｜end▁of▁sentence｜>",
                                       "<|im_end|>",
                                       "<|endoftext|>",
                                       "<|eot_id|>",
                                       "<|end_of_text|>",
                                       "<|EOT|>",
                                       "</s>",
                                       "▁<EOT>",
                                       "<|fim_prefix|>",
                                       "<|fim_suffix|>",
                                       "<|fim_middle|>",
                                       "<|fim_pad|>",
                                       "<|repo_name|>",
                                       "<|file_sep|>",
                                       "<｜fim▁begin｜>",
                                       "<｜fim▁hole｜>",
                                       "<｜fim▁end｜>",
                                       "<fim_prefix>",
                                       "<fim_suffix>",
                                       "<fim_middle>",
                                       "<fim_pad>",
                                       "<repo_name>",
                                       "<reponame>",
                                       "<file_sep>",
                                       "▁<PRE>",
                                       "▁<SUF>",
                                       "▁<MID>",
                                       "[PREFIX]",
                                       "[SUFFIX]"};

// The tokens that begin a turn. Some files do not list them as special, and no user may write one.
constexpr std::string_view kTurns[] = {"<｜begin▁of▁sentence｜>",
                                       "<｜User｜>",
                                       "<｜Assistant｜>",
                                       "<|im_start|>",
                                       "<|begin_of_text|>",
                                       "<|start_header_id|>",
                                       "<|end_header_id|>",
                                       "[INST]",
                                       "[/INST]"};

bool matches(const Family& f, const Tokenizer& t) {
  const auto has = [&t](std::string_view token) { return t.find(token).has_value(); };
  return has(f.prefix) && has(f.suffix) && (f.middle.empty() || has(f.middle)) &&
         (f.wants.empty() || has(f.wants)) && (f.wants_not.empty() || !has(f.wants_not));
}

void append(std::vector<TokenId>& ids, std::span<const TokenId> more) {
  ids.insert(ids.end(), more.begin(), more.end());
}

}  // namespace

std::optional<FimForm> FimForm::find(const Tokenizer& tokenizer) {
  for (const Family& f : kFamilies) {
    if (!matches(f, tokenizer)) continue;
    FimForm form;
    form.family_ = f.name;
    form.order_ = f.order;
    form.has_both_orders_ = f.has_both_orders;
    form.prefix_ = *tokenizer.find(f.prefix);
    form.suffix_ = *tokenizer.find(f.suffix);
    if (!f.middle.empty()) form.middle_ = tokenizer.find(f.middle);
    if (!f.end.empty()) form.end_ = tokenizer.find(f.end);
    if (!form.end_) form.end_ = tokenizer.eos();
    for (const std::string_view separator : {"<|file_sep|>", "<file_sep>"})
      if (f.name != "r1" && !form.file_sep_) form.file_sep_ = tokenizer.find(separator);
    return form;
  }
  return std::nullopt;
}

std::vector<TokenId> FimForm::encode(const Tokenizer& tokenizer, std::string_view prefix,
                                     std::string_view suffix,
                                     std::span<const ExtraFile> extra) const {
  std::vector<TokenId> ids;
  if (tokenizer.add_bos() && tokenizer.bos()) ids.push_back(*tokenizer.bos());
  std::string before;
  for (const ExtraFile& file : extra) {
    const std::string text = file.name + "\n" + file.text;
    if (file_sep_) {
      ids.push_back(*file_sep_);
      append(ids, tokenizer.encode(text));
    } else {
      before += "# " + text + "\n";
    }
  }
  append(ids, arrange(order_, tokenizer.encode(before + std::string(prefix)),
                      tokenizer.encode_continued(suffix)));
  return ids;
}

std::vector<TokenId> FimForm::arrange(Order order, std::span<const TokenId> prefix,
                                      std::span<const TokenId> suffix) const {
  std::vector<TokenId> ids;
  const auto append_suffix = [&] {
    ids.push_back(suffix_);
    append(ids, suffix);
  };
  if (order == Order::suffix_first) append_suffix();
  ids.push_back(prefix_);
  if (order != Order::prefix_last) append(ids, prefix);
  if (order != Order::suffix_first) append_suffix();
  if (middle_) ids.push_back(*middle_);
  if (order == Order::prefix_last) append(ids, prefix);
  return ids;
}

bool is_marker_text(std::string_view text) {
  const auto is = [text](std::string_view marker) { return marker == text; };
  if (text == "</s>") return false;  // a tag of HTML; where it ends a text it is listed as special
  return std::any_of(std::begin(kStops), std::end(kStops), is) ||
         std::any_of(std::begin(kTurns), std::end(kTurns), is);
}

std::vector<TokenId> stop_tokens(const Tokenizer& tokenizer, const std::vector<TokenId>& more) {
  std::vector<TokenId> ids = more;
  if (tokenizer.eos()) ids.push_back(*tokenizer.eos());
  for (const std::string_view token : kStops)
    if (const auto id = tokenizer.find(token)) ids.push_back(*id);
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  return ids;
}

}  // namespace r1
