#include "tools/complete/records.h"

#include <fmt/format.h>

#include "lib/base/json.h"
#include "lib/base/sha256.h"
#include "lib/base/utf8.h"
#include "tools/common/base64.h"
#include "tools/common/failures.h"
#include "tools/common/models.h"

namespace r1 {
namespace {

void write_path(JsonWriter& w, const std::string& path) {
  w.begin_object();
  if (is_utf8(path))
    w.key("text").string(path);
  else
    w.key("bytes").string(base64(path));
  w.end_object();
}

std::string id_of(const CompletionResult& r, const ItemSource& source) {
  if (!r.request.id.empty()) return r.request.id;
  return source.path.empty() ? std::to_string(r.index) : path_id(source.path);
}

void write_logprobs(JsonWriter& w, const Answer& a, const Tokenizer& tokenizer) {
  w.key("logprobs").begin_array();
  for (const Sample& s : a.samples) {
    w.begin_object()
        .key("id")
        .integer(s.id)
        .key("text")
        .string(tokenizer.bytes(s.id))
        .key("logprob")
        .number(s.logprob);
    w.key("top").begin_array();
    for (const TokenLogprob& t : s.top)
      w.begin_object()
          .key("id")
          .integer(t.id)
          .key("text")
          .string(tokenizer.bytes(t.id))
          .key("logprob")
          .number(t.logprob)
          .end_object();
    w.end_array().end_object();
  }
  w.end_array();
}

void write_answer(JsonWriter& w, const Answer& a, const CompletionRequest& request,
                  const Tokenizer& tokenizer) {
  w.key("text").string(a.text).key("finish_reason").string(finish_name(a.finish));
  if (request.logprobs >= 0) {
    w.key("tokens").begin_array();
    for (const TokenId id : a.tokens) w.integer(id);
    w.end_array();
    write_logprobs(w, a, tokenizer);
  }
  if (!a.reasoning.empty()) w.key("reasoning").string(a.reasoning);
}

void write_output(JsonWriter& w, const CompletionResult& r, const Tokenizer& tokenizer) {
  if (r.error || r.answers.empty()) {
    w.null();
    return;
  }
  w.begin_object();
  write_answer(w, r.answers[0], r.request, tokenizer);
  if (r.answers.size() > 1) {
    w.key("answers").begin_array();
    for (const Answer& a : r.answers) {
      w.begin_object();
      write_answer(w, a, r.request, tokenizer);
      w.end_object();
    }
    w.end_array();
  }
  w.end_object();
}

void write_usage(JsonWriter& w, const CompletionResult& r) {
  w.begin_object().key("prompt_tokens").integer(r.prompt_tokens);
  w.key("completion_tokens").integer(completion_tokens(r)).end_object();
}

void write_warnings(JsonWriter& w, const CompletionResult& r, const ItemSource& source) {
  w.begin_array();
  for (const std::string& text : source.warnings) w.string(text);
  for (const std::string& text : r.warnings) w.string(text);
  w.end_array();
}

// The body that the published batch interface gives for a request.
void write_openai_response(JsonWriter& w, const CompletionResult& r, const RecordContext& c) {
  if (r.error) {
    w.null();
    return;
  }
  const bool chat = !r.request.messages.empty();
  w.begin_object().key("status_code").integer(200).key("body").begin_object();
  w.key("object")
      .string(chat ? "chat.completion" : "text_completion")
      .key("model")
      .string(c.model_name);
  w.key("choices").begin_array();
  std::int64_t index = 0;
  for (const Answer& a : r.answers) {
    w.begin_object().key("index").integer(index++);
    if (chat)
      w.key("message")
          .begin_object()
          .key("role")
          .string("assistant")
          .key("content")
          .string(a.text)
          .end_object();
    else
      w.key("text").string(a.text);
    w.key("finish_reason").string(finish_name(a.finish)).end_object();
  }
  w.end_array().key("usage").begin_object().key("prompt_tokens").integer(r.prompt_tokens);
  w.key("completion_tokens").integer(completion_tokens(r));
  w.key("total_tokens")
      .integer(r.prompt_tokens + completion_tokens(r))
      .end_object()
      .end_object()
      .end_object();
}

}  // namespace

std::string recipe_of(const CompleteSettings& s, const std::string& digest,
                      const std::string& device) {
  const std::string shaping = fmt::format(
      "r1-complete\n{}\n{}\n{} {} {} {} {} {} {} {} {}\n{}\n{}\n{}\n{}\n{}\n{}", kCompleteSchema,
      digest, s.max_tokens, s.temperature, s.top_p, s.top_k, s.min_p, s.repeat_penalty, s.answers,
      s.seed, s.logprobs, fmt::join(s.stop, "\x1f"), s.stop_at, s.chat ? s.system : "-",
      s.suffix + "\x1f" + s.cursor + "\x1f" + s.prompt,
      s.dtype + " " + device + (device == "cuda" && s.deterministic ? " deterministic" : "") +
          (s.kv_type == "auto" ? "" : " kv " + s.kv_type) + (s.no_heal ? " no-heal" : "") +
          (s.fit ? " fit" : ""),
      fmt::join(s.extra, "\x1f"));
  return sha256_hex(as_bytes(shaping)).substr(0, 16);
}

// The level of r1(7). Requests from a pipe are batched as they arrive.
std::string determinism_of(const CompleteSettings& s, const std::string& device) {
  if (device != "cuda" || s.deterministic) return "D2";
  return s.request_lines() && s.reads_stdin() ? "none" : "D1";
}

RecordContext record_context(const CompleteSettings& s, const LoadedModel& model,
                             const std::string& device) {
  RecordContext c;
  c.model_name = adapted_name(model.name, s.adapter);
  c.digest = adapted_digest(model.files->digest(), s.adapter);
  c.quant = model.quant;
  c.device = device;
  c.determinism = determinism_of(s, device);
  c.openai = s.openai_batch;
  c.timing = s.timing;
  c.recipe = recipe_of(s, c.digest, device);
  return c;
}

std::int64_t completion_tokens(const CompletionResult& r) {
  std::int64_t n = 0;
  for (const Answer& a : r.answers) n += static_cast<std::int64_t>(a.tokens.size());
  return n;
}

std::string path_id(const std::string& path) {
  return is_utf8(path) ? path : "base64:" + base64(path);
}

std::string record_line(const CompletionResult& r, const ItemSource& source, const RecordContext& c,
                        const Tokenizer& tokenizer) {
  JsonWriter w;
  const std::string id = id_of(r, source);
  w.begin_object()
      .key("schema")
      .string(kCompleteSchema)
      .key("index")
      .integer(r.index)
      .key("id")
      .string(id);
  w.key("status").string(r.error ? "error" : r.request.skip ? "skipped" : "ok");
  if (c.openai) {
    w.key("custom_id").string(id).key("response");
    write_openai_response(w, r, c);
    w.key("error");
    write_error(w, r.error);
    return w.end_object().text() + "\n";
  }
  w.key("input").begin_object();
  if (!source.path.empty()) {
    w.key("path");
    write_path(w, source.path);
  }
  w.key("bytes").integer(static_cast<std::int64_t>(source.bytes)).key("digest");
  source.digest.empty() ? w.null() : w.string(source.digest);
  w.end_object().key("output");
  write_output(w, r, tokenizer);
  if (r.error || r.request.skip) {
    w.key("model").null().key("params").null().key("usage").null();
  } else {
    w.key("model").begin_object().key("name").string(c.model_name).key("revision").null();
    w.key("digest").string(c.digest).key("quant").string(c.quant).end_object();
    // The clock decides, or what else was under way.
    const bool by_chance =
        r.request.time_limit_ms > 0 || (r.smaller_steps && c.determinism == "D1");
    w.key("params").begin_object().key("seed").integer(
        static_cast<std::int64_t>(r.request.sampling.seed));
    w.key("device")
        .string(c.device)
        .key("determinism")
        .string(by_chance ? "none" : c.determinism)
        .key("recipe")
        .string(c.recipe)
        .end_object();
    w.key("usage");
    write_usage(w, r);
  }
  w.key("warnings");
  write_warnings(w, r, source);
  w.key("error");
  write_error(w, r.error);
  if (c.timing) w.key("timing_ms").number(source.timing_ms);
  return w.end_object().text() + "\n";
}

std::string summary_line(std::int64_t ok, std::int64_t failed, std::int64_t skipped,
                         bool interrupted) {
  JsonWriter w;
  w.begin_object().key("schema").string("r1.summary/1").key("index").null().key("id").null();
  w.key("ok").integer(ok).key("skipped").integer(skipped).key("failed").integer(failed);
  return w.key("interrupted").boolean(interrupted).end_object().text() + "\n";
}

}  // namespace r1
