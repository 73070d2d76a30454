#include "tools/complete/requests.h"

#include <algorithm>

#include "lib/base/json.h"
#include "tools/common/inputs.h"

namespace r1 {
namespace {

// Reads the members of one request object and remembers which keys it knew.
class Members {
 public:
  Members(const Json& json, std::string where) : json_(json), where_(std::move(where)) {
    json.object(where_);
  }

  // The first of several names that is there and not null.
  const Json* find(std::initializer_list<std::string_view> names) {
    const Json* first = nullptr;
    for (const std::string_view name : names) {
      known_.push_back(name);
      const Json* value = json_.find(name);
      if (first != nullptr || value == nullptr || value->is_null()) continue;
      first = value;
      found_ = where_ + ": " + std::string(name);
    }
    return first;
  }
  const std::string& found() const { return found_; }  // "the request: n_predict", of `find`
  template <typename T>
  void integer(std::initializer_list<std::string_view> names, T& into, std::int64_t least,
               std::int64_t most) {
    const Json* value = find(names);
    if (value == nullptr) return;
    const std::int64_t n = value->integer(found_);
    if (n < least || n > most)
      fail(ErrorKind::usage, "{} is {}, not from {} to {}", found_, n, least, most);
    into = static_cast<T>(n);
  }
  void number(std::initializer_list<std::string_view> names, float& into, double least,
              double most) {
    const Json* value = find(names);
    if (value == nullptr) return;
    const double x = value->number(found_);
    if (!(x >= least && x <= most))
      fail(ErrorKind::usage, "{} is {}, not from {} to {}", found_, x, least, most);
    into = static_cast<float>(x);
  }
  bool text(std::initializer_list<std::string_view> names, std::string& into) {
    const Json* value = find(names);
    if (value != nullptr) into = value->string(found_);
    return value != nullptr;
  }

  void report_unknown(std::vector<std::string>& warnings) const {
    for (const auto& [key, value] : json_.object(where_))
      if (std::find(known_.begin(), known_.end(), key) == known_.end())
        warnings.push_back("unknown key " + escaped(key));
  }

 private:
  const Json& json_;
  std::string where_, found_;
  std::vector<std::string_view> known_;
};

void read_stop(Members& m, CompletionRequest& r) {
  const Json* stop = m.find({"stop"});
  if (stop == nullptr) return;
  r.stop.strings.clear();
  if (stop->is_string()) {
    r.stop.strings.push_back(stop->string("stop"));
    return;
  }
  if (!stop->is_array())
    fail(ErrorKind::usage, "{} is neither a text nor a list of texts", m.found());
  for (const Json& s : stop->array(m.found())) r.stop.strings.push_back(s.string(m.found()));
}

void read_sampling(Members& m, CompletionRequest& r) {
  m.integer({"max_tokens", "n_predict", "max_completion_tokens"}, r.max_tokens, 0, kMostTokens);
  m.number({"temperature"}, r.sampling.temperature, 0, 100);
  m.number({"top_p"}, r.sampling.top_p, 0, 1);
  m.number({"min_p"}, r.sampling.min_p, 0, 1);
  m.number({"repeat_penalty", "repetition_penalty"}, r.sampling.repeat_penalty, 1e-3, 1e3);
  m.integer({"top_k"}, r.sampling.top_k, 0, kMostTokens);
  m.integer({"seed"}, r.sampling.seed, 0, INT64_MAX);
  m.integer({"n"}, r.answers, 1, 1024);
  read_stop(m, r);
}

void read_messages(const Json& list, CompletionRequest& r, const std::string& where) {
  r.messages.clear();
  for (const Json& message : list.array(where)) {
    ChatMessage m{message.at("role", where).string(where + ": role"),
                  message.at("content", where).string(where + ": content")};
    if (m.role != "system" && m.role != "user" && m.role != "assistant")
      fail(ErrorKind::usage, "{}: the role {} is none of system, user, assistant", where,
           escaped(m.role));
    r.messages.push_back(std::move(m));
  }
  if (r.messages.empty()) fail(ErrorKind::usage, "{} is empty", where);
}

// Is there one? For llama.vim `input_prefix` ends before the line of the caret, and `prompt` is
// what that line begins with.
bool read_prefix(Members& m, CompletionRequest& r, std::vector<std::string>& warnings) {
  std::string before, prompt, prefix;
  const bool has_before = m.text({"input_prefix"}, before);
  const bool has_prompt = m.text({"prompt"}, prompt), has_prefix = m.text({"prefix"}, prefix);
  if (has_prefix && (has_prompt || has_before))
    warnings.push_back(fmt::format("{0} and prefix are two names of the text: {0} counts",
                                   has_prompt ? "prompt" : "input_prefix"));
  r.prefix = has_prompt || has_before ? before + prompt : prefix;
  return has_before || has_prompt || has_prefix;
}

void read_extra(Members& m, CompletionRequest& r) {
  const Json* extra = m.find({"extra", "input_extra"});
  if (extra == nullptr) return;
  for (const Json& file : extra->array("extra")) {
    const Json* name = file.find("filename");
    r.extra.push_back({name == nullptr ? "" : name->string("extra: filename"),
                       file.at("text", "extra").string("extra: text")});
  }
}

// Runs `read`; what it throws becomes the request's answer.
template <typename Read>
CompletionRequest guarded(const CompletionRequest& defaults, Read&& read) {
  CompletionRequest r = defaults;
  try {
    read(r);
  } catch (const Error& e) {
    // A line that is no request is wrong usage of this item, whatever the reader called it.
    r.broken = Error(e.kind() == ErrorKind::limit ? e.kind() : ErrorKind::usage, e.what());
  }
  return r;
}

// The id of a line that is not JSON, where it stands first and can be read all the same.
std::string salvaged_id(std::string_view line, std::string_view key) {
  const auto take = [&line](std::string_view text) {
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    if (!line.starts_with(text)) return false;
    line.remove_prefix(text.size());
    return true;
  };
  if (!take("{") || !take(fmt::format("\"{}\"", key)) || !take(":") || !take("\"")) return {};
  std::size_t end = 0;
  while (end < line.size() && line[end] != '"') end += line[end] == '\\' ? 2U : 1U;
  if (end >= line.size()) return {};
  try {
    return parse_json(fmt::format("\"{}\"", line.substr(0, end)), "id").string("id");
  } catch (const Error&) {
    return {};
  }
}

// Reads the line; one that is no JSON still leaves its id.
Json parse_line(std::string_view line, std::string_view key, CompletionRequest& r) {
  r.id = salvaged_id(line, key);
  return parse_json(line, "the request");
}

std::string id_of(Members& m, std::string_view key) {
  const Json* id = m.find({key});
  if (id == nullptr) return {};
  if (id->is_string()) return id->string("id");
  JsonWriter w;
  w.value(*id);
  return w.text();
}

}  // namespace

CompletionRequest request_of(const CompleteSettings& s) {
  CompletionRequest r;
  r.max_tokens = s.max_tokens;
  r.sampling = {.temperature = static_cast<float>(s.temperature),
                .top_k = s.top_k,
                .top_p = static_cast<float>(s.top_p),
                .min_p = static_cast<float>(s.min_p),
                .repeat_penalty = static_cast<float>(s.repeat_penalty),
                .seed = static_cast<std::uint64_t>(s.seed)};
  r.stop = {
      .strings = s.stop, .at_line_end = s.stop_at == "line", .at_block_end = s.stop_at == "block"};
  r.heal = !s.no_heal;
  r.fit = s.fit || s.filter;
  if (s.records()) r.answers = static_cast<int>(s.answers);
  if (s.records()) r.logprobs = static_cast<int>(s.logprobs);
  r.time_limit_ms = s.time_limit_ms;
  r.timeout_ms = s.timeout_ms;
  for (const std::string& path : s.extra) r.extra.push_back({path, named_file(path)});
  return r;
}

void sample_as_model_says(SamplingOptions& sampling, const CompleteSettings& s,
                          const MakersSampling& makers) {
  if (!s.chat) return;
  if (!s.temperature_given) sampling.temperature = makers.temperature.value_or(0.0f);
  if (!s.top_p_given) sampling.top_p = makers.top_p.value_or(1.0f);
  if (!s.min_p_given) sampling.min_p = makers.min_p.value_or(0.0f);
  if (!s.top_k_given) sampling.top_k = makers.top_k.value_or(0);
}

CompletionRequest read_request(std::string_view line, const CompletionRequest& defaults,
                               std::vector<std::string>& warnings) {
  return guarded(defaults, [&](CompletionRequest& r) {
    const Json json = parse_line(line, "id", r);
    Members m(json, "the request");
    r.id = id_of(m, "id");
    const bool has_text = read_prefix(m, r, warnings);
    std::string suffix;
    if (m.text({"suffix", "input_suffix"}, suffix)) r.suffix = suffix;
    if (const Json* messages = m.find({"messages"})) read_messages(*messages, r, "messages");
    if (!r.messages.empty() && (has_text || r.suffix || json.find("extra") != nullptr))
      warnings.emplace_back("messages count: prompt, suffix and extra beside them do not");
    if (!has_text && r.messages.empty())
      fail(ErrorKind::usage, "the request has none of prompt, prefix and messages");
    read_extra(m, r);
    read_sampling(m, r);
    m.integer({"time_limit_ms", "t_max_predict_ms"}, r.time_limit_ms, 0, kLongestMs);
    m.integer({"logprobs"}, r.logprobs, 0, 100);
    m.report_unknown(warnings);
  });
}

CompletionRequest read_openai_request(std::string_view line, const CompletionRequest& defaults,
                                      std::vector<std::string>& warnings) {
  return guarded(defaults, [&](CompletionRequest& r) {
    const Json json = parse_line(line, "custom_id", r);
    Members m(json, "the request");
    r.id = id_of(m, "custom_id");
    std::string method, url;
    m.text({"method"}, method);
    m.text({"url"}, url);
    const Json* body = m.find({"body"});
    if (body == nullptr) fail(ErrorKind::usage, "the request has no body");
    Members b(*body, "body");
    b.find({"model", "stream", "user"});  // of no meaning here, and no surprise
    if (url.ends_with("/chat/completions")) {
      const Json* messages = b.find({"messages"});
      if (messages == nullptr) fail(ErrorKind::usage, "body has no messages");
      read_messages(*messages, r, "body: messages");
    } else if (url.ends_with("/completions")) {
      if (!b.text({"prompt"}, r.prefix)) fail(ErrorKind::usage, "body has no prompt");
      std::string suffix;
      if (b.text({"suffix"}, suffix)) r.suffix = suffix;
    } else {
      fail(ErrorKind::usage, "the url {} is neither /v1/completions nor /v1/chat/completions",
           escaped(url));
    }
    read_sampling(b, r);
    b.report_unknown(warnings);
  });
}

void set_text(CompletionRequest& r, std::string text, const CompleteSettings& s) {
  if (s.suffix_given) r.suffix = s.suffix;
  if (!s.cursor.empty()) {
    const std::size_t at = text.find(s.cursor);
    if (at == std::string::npos)
      fail(ErrorKind::usage, "the mark {} does not stand in the text", escaped(s.cursor));
    if (text.find(s.cursor, at + s.cursor.size()) != std::string::npos)
      fail(ErrorKind::usage, "the mark {} stands in the text twice", escaped(s.cursor));
    r.suffix = text.substr(at + s.cursor.size());
    text.resize(at);
  }
  if (!s.chat) {
    r.prefix = std::move(text);
    return;
  }
  if (!s.system.empty()) r.messages.push_back({"system", s.system});
  r.messages.push_back({"user", std::move(text)});
}

}  // namespace r1
